import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.UUID;
import org.apache.kafka.clients.producer.internals.BuiltInPartitioner;

/** Prints to which partition Java's producer sends each of 100 keys: what tests/it/data/partitions.csv holds. */
public class Partitions {
    static final int[] PARTITIONS = {50, 10, 7, 4, 2, 1};

    /** murmur2 treats the last 1 to 3 bytes, and bytes above 127, on their own. */
    static final List<String> SHORT_OR_NOT_ASCII = List.of(
            "a", "ab", "abc", "abcd", "abcde", "21", "instance", "holdings-record",
            "ключ", "é", "ß1", "鍵", "clé-42", "naïve", "Ünïcödé", "🔑", "🔑🔑🔑", "~", "¡", "ÿÿÿ");

    public static void main(String[] args) {
        List<String> keys = new ArrayList<>();
        keys.add("00000000-0000-0000-0000-000000000000");
        keys.addAll(SHORT_OR_NOT_ASCII);
        while (keys.size() < 100) {
            String name = "record " + keys.size();
            keys.add(UUID.nameUUIDFromBytes(name.getBytes(StandardCharsets.UTF_8)).toString());
        }

        PrintStream out = new PrintStream(System.out, true, StandardCharsets.UTF_8);
        out.println("# java -Dfile.encoding=UTF-8 -cp \"$EVENT_GATEWAY_TEST_KAFKA_HOME/libs/*\" scripts/kafka/Partitions.java");
        out.println("key,partitions,partition");
        for (int i = 0; i < keys.size(); i++) {
            int partitions = PARTITIONS[i % PARTITIONS.length];
            byte[] key = keys.get(i).getBytes(StandardCharsets.UTF_8);
            out.println(keys.get(i) + "," + partitions + "," + BuiltInPartitioner.partitionForKey(key, partitions));
        }
    }
}
