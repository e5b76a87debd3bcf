import java.io.IOException;
import java.io.Reader;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.Properties;
import java.util.TreeMap;

/**
 * What every launcher shares: its orders come in one properties file, and its life hangs on standard input.
 *
 * <p>The test bed holds the other end of that pipe and never writes to it. When the bed dies, however it dies, the
 * pipe closes and the node goes with it: no forgotten JVM keeps a port and half a gigabyte.
 */
final class Bed {
  private final Properties orders = new Properties();

  static Bed open(String[] arguments) throws IOException {
    Bed bed = new Bed();
    try (Reader reader = Files.newBufferedReader(Path.of(arguments[0]))) {
      bed.orders.load(reader);
    }
    Thread watch = new Thread(Bed::haltAtEndOfInput, "bed-watch");
    watch.setDaemon(true);
    watch.start();
    return bed;
  }

  private static void haltAtEndOfInput() {
    try {
      while (System.in.read() != -1) {
        // nothing is ever said on this pipe; only its end matters
      }
    } catch (IOException e) {
      // a pipe that cannot be read has ended as well
    }
    // The data is scratch, so there is nothing worth an orderly stop.
    Runtime.getRuntime().halt(0);
  }

  String get(String key) {
    String value = orders.getProperty(key);
    if (value == null) {
      throw new IllegalArgumentException("the orders lack " + key);
    }
    return value;
  }

  boolean has(String key) {
    return orders.containsKey(key);
  }

  Path path(String key) {
    return Path.of(get(key));
  }

  /** The node settings: every order that begins with {@code setting.}, without that prefix. */
  Map<String, String> settings() {
    return under("setting.");
  }

  Map<String, String> under(String prefix) {
    Map<String, String> found = new TreeMap<>();
    for (String key : orders.stringPropertyNames()) {
      if (key.startsWith(prefix)) {
        found.put(key.substring(prefix.length()), orders.getProperty(key));
      }
    }
    return found;
  }

  /** Closes the node on SIGTERM and keeps the main thread alive until then. */
  void holdUntilStopped(AutoCloseable node) throws InterruptedException {
    Runtime.getRuntime().addShutdownHook(new Thread(() -> {
      try {
        node.close();
      } catch (Exception e) {
        e.printStackTrace();
      }
    }));
    Thread.currentThread().join();
  }
}
