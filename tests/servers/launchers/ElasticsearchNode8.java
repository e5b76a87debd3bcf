import java.lang.reflect.Method;
import java.nio.file.FileSystem;
import java.nio.file.FileSystems;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.jar.JarEntry;
import java.util.jar.JarOutputStream;
import java.util.stream.Stream;
import org.elasticsearch.Build;
import org.elasticsearch.common.logging.LogConfigurator;
import org.elasticsearch.common.settings.Settings;
import org.elasticsearch.env.Environment;
import org.elasticsearch.node.Node;
import org.elasticsearch.plugins.PluginBundle;
import org.elasticsearch.plugins.PluginsLoader;

/**
 * One node of Elasticsearch 8.x or 9.x. Plugins no longer come from the class path there: even HTTP is a module that
 * the node loads from its home, so the launcher lays those folders out first.
 */
final class ElasticsearchNode8 {
  private static final String DESCRIPTOR = "plugin-descriptor.properties";

  public static void main(String[] arguments) throws Exception {
    Bed bed = Bed.open(arguments);
    Path home = bed.path("home");
    Path config = Files.createDirectories(home.resolve("config"));
    Path plugins = Files.createDirectories(home.resolve("plugins"));
    Path modules = Files.createDirectories(home.resolve("modules"));
    published(bed.path("module_jars"), modules);
    restRoot(bed.path("rest_root"), Files.createDirectories(modules.resolve("rest-root")));

    Settings.Builder settings = Settings.builder();
    bed.settings().forEach(settings::put);
    // Node construction fails with a null logger provider otherwise: the bootstrap that does this is not run here.
    LogConfigurator.configureESLogging();
    PluginsLoader loader = PluginsLoader.createPluginsLoader(
        bundles("loadModulesBundles", modules), bundles("loadPluginsBundles", plugins), Map.of(), false);
    Node node = new Node(new Environment(settings.build(), config), loader).start();
    bed.holdUntilStopped(node);
  }

  /**
   * A module for each jar that has a descriptor, with all jars that have none. The descriptor names a Java module, but
   * on a class path there are no named modules.
   */
  private static void published(Path jars, Path modules) throws Exception {
    List<Path> libraries = new ArrayList<>();
    List<Path> homes = new ArrayList<>();
    for (Path jar : list(jars)) {
      try (FileSystem zip = FileSystems.newFileSystem(jar)) {
        Path described = zip.getPath("META-INF/es-plugins");
        if (Files.notExists(described)) {
          libraries.add(jar);
          continue;
        }
        for (Path plugin : list(described)) {
          Path module = Files.createDirectories(modules.resolve(plugin.getFileName().toString()));
          List<String> lines = Files.readAllLines(plugin.resolve(DESCRIPTOR));
          lines.removeIf(line -> line.startsWith("modulename"));
          Files.write(module.resolve(DESCRIPTOR), lines);
          copy(jar, module);
          homes.add(module);
        }
      }
    }
    for (Path module : homes) {
      for (Path library : libraries) {
        copy(library, module);
      }
    }
  }

  private static void copy(Path file, Path directory) throws Exception {
    Files.copy(file, directory.resolve(file.getFileName().toString()), StandardCopyOption.REPLACE_EXISTING);
  }

  /** GET / is served by a module that is not published; the bed compiled a stand-in, which is packed here. */
  private static void restRoot(Path classes, Path module) throws Exception {
    try (JarOutputStream jar = new JarOutputStream(Files.newOutputStream(module.resolve("rest-root.jar")))) {
      for (Path file : list(classes)) {
        jar.putNextEntry(new JarEntry(file.getFileName().toString()));
        Files.copy(file, jar);
      }
    }
    Files.write(module.resolve(DESCRIPTOR), List.of(
        "name=rest-root",
        "description=answers GET /",
        "version=1",
        "classname=RestRoot",
        "java.version=17",
        "elasticsearch.version=" + Build.current().version()));
  }

  private static List<Path> list(Path directory) throws Exception {
    try (Stream<Path> files = Files.list(directory)) {
      return files.sorted().toList();
    }
  }

  /** 8.19 takes the directory alone, 9.x also whether the node is stateless. */
  @SuppressWarnings("unchecked")
  private static Set<PluginBundle> bundles(String name, Path directory) throws Exception {
    for (Method method : PluginsLoader.class.getMethods()) {
      if (method.getName().equals(name) && method.getParameterCount() == 1) {
        return (Set<PluginBundle>) method.invoke(null, directory);
      }
      if (method.getName().equals(name) && method.getParameterCount() == 2) {
        return (Set<PluginBundle>) method.invoke(null, directory, false);
      }
    }
    throw new NoSuchMethodException("PluginsLoader." + name);
  }
}
