import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.util.List;
import java.util.Map;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.common.acl.AccessControlEntry;
import org.apache.kafka.common.acl.AclBinding;
import org.apache.kafka.common.acl.AclOperation;
import org.apache.kafka.common.acl.AclPermissionType;
import org.apache.kafka.common.resource.PatternType;
import org.apache.kafka.common.resource.ResourcePattern;
import org.apache.kafka.common.resource.ResourceType;

/**
 * Grants and revokes rights with Kafka's own admin client: each line of stdin is
 * "add|remove RESOURCE PATTERN NAME OPERATION PRINCIPAL", and is answered with "done" once the
 * broker goes by it.
 */
public class Acls {
  public static void main(String[] arguments) throws Exception {
    try (Admin admin = Admin.create(Map.of("bootstrap.servers", arguments[0]));
        var lines = new BufferedReader(new InputStreamReader(System.in))) {
      for (String line; (line = lines.readLine()) != null; ) {
        String[] words = line.split(" ");
        var resource = ResourceType.fromString(words[1].replace('-', '_'));
        var pattern = new ResourcePattern(resource, words[3], PatternType.valueOf(words[2].toUpperCase()));
        var operation = operation(words[4]);
        var entry = new AccessControlEntry(words[5], "*", operation, AclPermissionType.ALLOW);
        var binding = new AclBinding(pattern, entry);
        if (words[0].equals("add")) {
          admin.createAcls(List.of(binding)).all().get();
        } else if (admin.deleteAcls(List.of(binding.toFilter())).all().get().size() != 1) {
          throw new IllegalStateException("there was no such right: " + line);
        }
        // The controller has it; the broker, which checks rights, learns of it a little later.
        while (admin.describeAcls(binding.toFilter()).values().get().isEmpty() == words[0].equals("add")) {
          Thread.sleep(10);
        }
        System.out.println("done");
      }
    }
  }

  /** "AlterConfigs" is ALTER_CONFIGS, as kafka-acls.sh takes it. */
  private static AclOperation operation(String name) {
    return AclOperation.fromString(name.replaceAll("(?<=[a-z])(?=[A-Z])", "_").toUpperCase());
  }
}
