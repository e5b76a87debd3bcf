import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import org.elasticsearch.common.settings.Settings;
import org.elasticsearch.env.Environment;
import org.elasticsearch.node.Node;
import org.elasticsearch.plugins.Plugin;

/** One node of Elasticsearch 7.11 to 7.17, the last line that still takes plugins from the class path. */
final class ElasticsearchNode7 extends Node {
  private ElasticsearchNode7(Environment environment, Collection<Class<? extends Plugin>> plugins) {
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
    Node node = new ElasticsearchNode7(new Environment(settings.build(), config), plugins).start();
    bed.holdUntilStopped(node);
  }
}
