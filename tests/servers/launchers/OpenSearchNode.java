import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import org.opensearch.common.settings.Settings;
import org.opensearch.env.Environment;
import org.opensearch.node.Node;
import org.opensearch.plugins.Plugin;

/** One node of OpenSearch 1.x or 2.x, which take plugins from the class path by their classes. */
final class OpenSearchNode extends Node {
  private OpenSearchNode(Environment environment, Collection<Class<? extends Plugin>> plugins) {
    super(environment, plugins, false);
  }

  public static void main(String[] arguments) throws Exception {
    Bed bed = Bed.open(arguments);
    Path config = Files.createDirectories(bed.path("home").resolve("config"));
    Settings.Builder settings = Settings.builder();
    bed.settings().forEach(settings::put);
    List<Class<? extends Plugin>> plugins = new ArrayList<>();
    for (String name : bed.get("plugins").split(",")) {
      plugins.add(Class.forName(name).asSubclass(Plugin.class));
    }
    Node node = new OpenSearchNode(new Environment(settings.build(), config), plugins).start();
    bed.holdUntilStopped(node);
  }
}
