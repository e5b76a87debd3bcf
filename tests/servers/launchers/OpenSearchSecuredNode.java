import java.io.IOException;
import java.io.Reader;
import java.io.Writer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Properties;
import org.opensearch.security.tools.Hasher;

/**
 * One node of OpenSearch with the security plugin: plain HTTP, one user who may do everything.
 *
 * <p>The plugin reads users and roles from files when it makes its index, and insists on TLS between nodes.
 */
final class OpenSearchSecuredNode {
  private static final String STORE_PASSWORD = "changeit";

  public static void main(String[] arguments) throws Exception {
    Path file = Path.of(arguments[0]);
    Properties orders = new Properties();
    try (Reader reader = Files.newBufferedReader(file)) {
      orders.load(reader);
    }
    Path config = Files.createDirectories(Path.of(orders.getProperty("home")).resolve("config"));
    if (!Files.exists(config.resolve("trust.p12"))) {
      certificates(config);
      users(Files.createDirectories(config.resolve("opensearch-security")), orders);
    }
    String security = "setting.plugins.security.";
    orders.setProperty(security + "allow_default_init_securityindex", "true");
    orders.setProperty(security + "restapi.roles_enabled", "all_access");
    orders.setProperty(security + "ssl.http.enabled", "false");
    String transport = security + "ssl.transport.";
    orders.setProperty(transport + "keystore_filepath", "node.p12");
    orders.setProperty(transport + "keystore_password", STORE_PASSWORD);
    orders.setProperty(transport + "truststore_filepath", "trust.p12");
    orders.setProperty(transport + "truststore_password", STORE_PASSWORD);
    orders.setProperty(transport + "enforce_hostname_verification", "false");
    try (Writer writer = Files.newBufferedWriter(file)) {
      orders.store(writer, null);
    }
    OpenSearchNode.main(arguments);
  }

  /** A certificate of the node's own, and a store that trusts it. */
  private static void certificates(Path config) throws IOException, InterruptedException {
    keytool(config, "-genkeypair", "-alias", "node", "-keyalg", "EC", "-dname", "CN=testbed", "-keystore", "node.p12");
    keytool(config, "-exportcert", "-alias", "node", "-rfc", "-file", "node.pem", "-keystore", "node.p12");
    keytool(config, "-importcert", "-noprompt", "-alias", "node", "-file", "node.pem", "-keystore", "trust.p12");
  }

  private static void keytool(Path config, String... words) throws IOException, InterruptedException {
    List<String> command = new ArrayList<>(List.of(System.getProperty("java.home") + "/bin/keytool"));
    command.addAll(List.of(words));
    command.addAll(List.of("-storepass", STORE_PASSWORD));
    int ended = new ProcessBuilder(command).directory(config.toFile()).inheritIO().start().waitFor();
    if (ended != 0) {
      throw new IOException("keytool ended with " + ended);
    }
  }

  private static void users(Path directory, Properties orders) throws IOException {
    write(directory, "config", "config", """
        config:
          dynamic:
            authc:
              basic:
                http_enabled: true
                transport_enabled: true
                order: 0
                http_authenticator: {type: basic, challenge: true}
                authentication_backend: {type: intern}
        """);
    String hash = Hasher.hash(orders.getProperty("password").toCharArray());
    write(directory, "internal_users", "internalusers",
        "%s: {hash: \"%s\", backend_roles: [admin]}\n".formatted(orders.getProperty("username"), hash));
    write(directory, "roles_mapping", "rolesmapping", "all_access: {backend_roles: [admin]}\n");
    // The plugin wants them all; what its own roles are it knows without them.
    write(directory, "roles", "roles", "");
    write(directory, "action_groups", "actiongroups", "");
    write(directory, "tenants", "tenants", "");
    write(directory, "nodes_dn", "nodesdn", "");
    write(directory, "allowlist", "allowlist", "");
    write(directory, "whitelist", "whitelist", "");
    write(directory, "audit", "audit", "");
  }

  private static void write(Path directory, String name, String type, String text) throws IOException {
    Files.writeString(
        directory.resolve(name + ".yml"), "_meta: {type: %s, config_version: 2}\n%s".formatted(type, text));
  }
}
