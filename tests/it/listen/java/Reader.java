import java.io.FileDescriptor;
import java.io.FileOutputStream;
import java.io.FileReader;
import java.io.PrintStream;
import java.time.Duration;
import java.util.Map;
import java.util.Properties;
import java.util.regex.Pattern;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.serialization.StringDeserializer;

/**
 * A member of a group: prints each record as topic, key and value, and commits by itself. It may be given a file of
 * more settings.
 */
public class Reader {
    public static void main(String[] args) throws Exception {
        String address = args[0], group = args[1], pattern = args[2], assignor = args[3];
        // Whatever the locale is.
        System.setOut(new PrintStream(new FileOutputStream(FileDescriptor.out), false, "UTF-8"));
        Properties settings = new Properties();
        settings.putAll(Map.of(
            "bootstrap.servers", address,
            "group.id", group,
            "auto.offset.reset", "earliest",
            "enable.auto.commit", "true",
            "auto.commit.interval.ms", "200",
            "session.timeout.ms", "6000",
            "heartbeat.interval.ms", "500",
            "metadata.max.age.ms", "1000",
            "isolation.level", "read_committed",
            "partition.assignment.strategy", "org.apache.kafka.clients.consumer." + assignor));
        if (args.length > 4) {
            try (FileReader more = new FileReader(args[4])) {
                settings.load(more);
            }
        }
        StringDeserializer text = new StringDeserializer();
        try (KafkaConsumer<String, String> consumer = new KafkaConsumer<>(settings, text, text)) {
            consumer.subscribe(Pattern.compile(pattern));
            Thread main = Thread.currentThread();
            Thread stop = new Thread(() -> {
                try {
                    while (System.in.read() >= 0) { }
                } catch (java.io.IOException gone) {
                    // It stops as well.
                }
                consumer.wakeup();
            });
            stop.setDaemon(true);
            stop.start();
            while (true) {
                for (ConsumerRecord<String, String> record : consumer.poll(Duration.ofMillis(200))) {
                    System.out.println(record.topic() + "\t" + record.key() + "\t" + record.value());
                }
                System.out.flush();
            }
        } catch (org.apache.kafka.common.errors.WakeupException stopped) {
            System.out.println("stopped");
        }
    }
}
