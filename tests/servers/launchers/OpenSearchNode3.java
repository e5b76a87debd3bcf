import java.lang.reflect.Method;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import org.opensearch.Version;
import org.opensearch.common.settings.KeyStoreWrapper;
import org.opensearch.common.settings.Settings;
import org.opensearch.env.Environment;
import org.opensearch.node.Node;
import org.opensearch.plugins.PluginInfo;

/** One node of OpenSearch 3.x, which wants each class path plugin described; secrets go into its keystore. */
final class OpenSearchNode3 extends Node {
  private OpenSearchNode3(Environment environment, Collection<PluginInfo> plugins) {
    super(environment, plugins, false);
  }

  public static void main(String[] arguments) throws Exception {
    Bed bed = Bed.open(arguments);
    Path config = Files.createDirectories(bed.path("home").resolve("config"));
    Settings.Builder settings = Settings.builder();
    bed.settings().forEach(settings::put);
    Map<String, String> secrets = bed.under("secret.");
    if (!secrets.isEmpty()) {
      settings.setSecureSettings(keystore(config, secrets));
    }
    List<PluginInfo> plugins = new ArrayList<>();
    for (String name : bed.get("plugins").split(",")) {
      plugins.add(new PluginInfo(
          name, "from the class path", "NA", Version.CURRENT, "21", name, null, List.of(), false));
    }
    Node node = new OpenSearchNode3(new Environment(settings.build(), config), plugins).start();
    bed.holdUntilStopped(node);
  }

  /** The command line tool that fills a keystore is in no published jar, and the method it calls is not public. */
  private static KeyStoreWrapper keystore(Path config, Map<String, String> secrets) throws Exception {
    KeyStoreWrapper keystore = KeyStoreWrapper.create();
    Method set = KeyStoreWrapper.class.getDeclaredMethod("setString", String.class, char[].class);
    set.setAccessible(true);
    for (Map.Entry<String, String> secret : secrets.entrySet()) {
      set.invoke(keystore, secret.getKey(), secret.getValue().toCharArray());
    }
    keystore.save(config, new char[0]);
    KeyStoreWrapper saved = KeyStoreWrapper.load(config);
    saved.decrypt(new char[0]);
    return saved;
  }
}
