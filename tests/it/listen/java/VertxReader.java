import io.vertx.core.Vertx;
import io.vertx.kafka.client.consumer.KafkaConsumer;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.regex.Pattern;

/** A member of a group by Vert.x's client, which folio-kafka-wrapper wraps; it commits each record. */
public class VertxReader {
    public static void main(String[] args) throws Exception {
        String address = args[0], group = args[1], pattern = args[2];
        String text = "org.apache.kafka.common.serialization.StringDeserializer";
        Vertx vertx = Vertx.vertx();
        KafkaConsumer<String, String> consumer = KafkaConsumer.create(vertx, Map.of(
            "bootstrap.servers", address,
            "group.id", group,
            "auto.offset.reset", "earliest",
            "enable.auto.commit", "false",
            "session.timeout.ms", "6000",
            "heartbeat.interval.ms", "500",
            "metadata.max.age.ms", "1000",
            "key.deserializer", text,
            "value.deserializer", text));
        consumer.handler(record -> {
            System.out.println(record.topic() + "\t" + record.key() + "\t" + record.value());
            consumer.commit();
        });
        consumer.subscribe(Pattern.compile(pattern));
        while (System.in.read() >= 0) { }
        consumer.close().toCompletionStage().toCompletableFuture().get(10, TimeUnit.SECONDS);
        System.exit(0);
    }
}
