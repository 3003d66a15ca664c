import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse.BodyHandlers;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.IntStream;

/** Posts changes as FOLIO's modules would, with the JDK's client as it is by default; prints what failed. */
public class Posts {
  public static void main(String[] args) throws Exception {
    URI uri = URI.create("http://" + args[0] + "/domain-events/inventory/instance");
    int posts = Integer.parseInt(args[1]), threads = Integer.parseInt(args[2]);
    HttpClient client = HttpClient.newHttpClient();
    AtomicInteger failed = new AtomicInteger();
    Thread[] all = IntStream.range(0, threads).mapToObj(thread -> new Thread(() -> {
      for (int i = 0; i < posts / threads; i++) {
        String body = "{\"new\":{\"id\":\"" + thread + "-" + i + "\"}}";
        HttpRequest request = HttpRequest.newBuilder(uri)
            .header("X-Okapi-Tenant", "diku").header("Content-Type", "application/json")
            .POST(BodyPublishers.ofString(body)).build();
        try {
          var response = client.send(request, BodyHandlers.ofString());
          if (response.statusCode() != 201) throw new Exception(response.statusCode() + ": " + response.body());
        } catch (Exception e) {
          failed.incrementAndGet();
          System.out.println(thread + "-" + i + ": " + e);
        }
      }
    })).toArray(Thread[]::new);
    for (Thread thread : all) thread.start();
    for (Thread thread : all) thread.join();
    System.out.println(failed + " failed");
  }
}
