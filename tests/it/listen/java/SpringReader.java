import java.util.List;
import java.util.Map;
import java.util.regex.Pattern;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.springframework.kafka.core.DefaultKafkaConsumerFactory;
import org.springframework.kafka.listener.BatchMessageListener;
import org.springframework.kafka.listener.ConcurrentMessageListenerContainer;
import org.springframework.kafka.listener.ContainerProperties;

/** Two members of a group by Spring Kafka: a batch listener on a pattern, as mod-search has it. */
public class SpringReader {
    public static void main(String[] args) throws Exception {
        String address = args[0], group = args[1], pattern = args[2];
        Map<String, Object> settings = Map.of(
            "bootstrap.servers", address,
            "group.id", group,
            "auto.offset.reset", "earliest",
            "session.timeout.ms", "6000",
            "heartbeat.interval.ms", "500",
            "metadata.max.age.ms", "1000");
        StringDeserializer text = new StringDeserializer();
        ContainerProperties properties = new ContainerProperties(Pattern.compile(pattern));
        properties.setMessageListener((BatchMessageListener<String, String>) SpringReader::print);
        ConcurrentMessageListenerContainer<String, String> members =
            new ConcurrentMessageListenerContainer<>(
                new DefaultKafkaConsumerFactory<>(settings, () -> text, () -> text), properties);
        members.setConcurrency(2);
        members.start();
        while (System.in.read() >= 0) { }
        members.stop();
        System.exit(0);
    }

    private static void print(List<ConsumerRecord<String, String>> records) {
        for (ConsumerRecord<String, String> record : records) {
            System.out.println(record.topic() + "\t" + record.key() + "\t" + record.value());
        }
    }
}
