import java.io.PrintStream;
import java.lang.reflect.Constructor;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Random;
import java.util.function.Supplier;
import java.util.zip.CRC32;
import org.apache.lucene.codecs.Codec;
import org.apache.lucene.document.BinaryDocValuesField;
import org.apache.lucene.document.Document;
import org.apache.lucene.document.Field;
import org.apache.lucene.document.LongPoint;
import org.apache.lucene.document.NumericDocValuesField;
import org.apache.lucene.document.SortedDocValuesField;
import org.apache.lucene.document.SortedNumericDocValuesField;
import org.apache.lucene.document.SortedSetDocValuesField;
import org.apache.lucene.document.StoredField;
import org.apache.lucene.document.StringField;
import org.apache.lucene.index.DirectoryReader;
import org.apache.lucene.index.IndexWriter;
import org.apache.lucene.index.IndexWriterConfig;
import org.apache.lucene.index.LeafReader;
import org.apache.lucene.index.LeafReaderContext;
import org.apache.lucene.index.MergePolicy;
import org.apache.lucene.index.NoMergePolicy;
import org.apache.lucene.index.Term;
import org.apache.lucene.index.TieredMergePolicy;
import org.apache.lucene.search.MatchAllDocsQuery;
import org.apache.lucene.store.Directory;
import org.apache.lucene.store.NIOFSDirectory;
import org.apache.lucene.util.BytesRef;

/**
 * Writes a Lucene index as servers write shards, with the Lucene on the class path, and beside it what that Lucene reads
 * of it: a line of id, length and CRC32 of the source for each living document.
 *
 * Arguments: a new directory, BEST_SPEED or BEST_COMPRESSION, and whether segments are merged at the end.
 */
final class Golden {
  private static final String SOFT = "__soft_deletes";
  private static final boolean SOFT_DELETES = exists("org.apache.lucene.index.SoftDeletesDirectoryReaderWrapper");

  public static void main(String[] arguments) throws Exception {
    Path path = Path.of(arguments[0]);
    boolean merged = Boolean.parseBoolean(arguments[2]);
    try (Directory directory = new NIOFSDirectory(path)) {
      try (IndexWriter writer = new IndexWriter(directory, config(arguments[1], NoMergePolicy.INSTANCE))) {
        Random random = new Random(5);
        for (int part = 0; part < 3; part++) {
          for (int number = 0; number < 120; number++) {
            put(writer, "id-" + random.nextInt(200), "{\"n\":" + number + ",\"text\":\"" + "ab ".repeat(random.nextInt(60)) + "\"}");
          }
          if (part == 1) {
            put(writer, "large", "{\"text\":\"" + "a large document ".repeat(30_000) + "\"}");
          }
          writer.deleteDocuments(new Term("_id", "id-" + random.nextInt(200)), new Term("_id", "id-" + part));
          writer.commit();
        }
      }
      if (merged) {
        MergePolicy policy = new TieredMergePolicy();
        if (SOFT_DELETES) {
          // Servers keep what was updated for a while.
          Constructor<?> keep = Class.forName("org.apache.lucene.index.SoftDeletesRetentionMergePolicy")
              .getConstructor(String.class, Supplier.class, MergePolicy.class);
          Supplier<Object> all = MatchAllDocsQuery::new;
          policy = (MergePolicy) keep.newInstance(SOFT, all, policy);
        }
        try (IndexWriter writer = new IndexWriter(directory, config(arguments[1], policy))) {
          writer.forceMerge(1);
          put(writer, "id-5", "{}");
          writer.commit();
        }
      }
      try (PrintStream out = new PrintStream(path.resolve("expected.txt").toFile(), "UTF-8")) {
        print(directory, out);
      }
    }
  }

  private static IndexWriterConfig config(String mode, MergePolicy policy) throws Exception {
    IndexWriterConfig config = new IndexWriterConfig();
    config.setMergePolicy(policy);
    // Segments of both kinds: merged ones are not compound.
    config.setUseCompoundFile(true);
    if (SOFT_DELETES) {
      IndexWriterConfig.class.getMethod("setSoftDeletesField", String.class).invoke(config, SOFT);
    }
    for (Constructor<?> constructor : Codec.getDefault().getClass().getConstructors()) {
      if (constructor.getParameterCount() == 1 && constructor.getParameterTypes()[0].isEnum()) {
        for (Object value : constructor.getParameterTypes()[0].getEnumConstants()) {
          if (value.toString().equals(mode)) {
            config.setCodec((Codec) constructor.newInstance(value));
          }
        }
      }
    }
    return config;
  }

  /** Nested objects come before the document they are part of, and have no id that is stored. */
  private static void put(IndexWriter writer, String id, String source) throws Exception {
    Term term = new Term("_id", id);
    java.util.List<Document> block = new java.util.ArrayList<>();
    for (int child = 0; child < id.hashCode() % 3; child++) {
      Document nested = new Document();
      nested.add(new StringField("_id", id, Field.Store.NO));
      nested.add(new StringField("child", "c" + child, Field.Store.NO));
      block.add(nested);
    }
    Document document = new Document();
    byte[] bytes = id.getBytes(StandardCharsets.UTF_8);
    byte[] encoded = new byte[bytes.length + 1];
    encoded[0] = (byte) 0xFF;
    System.arraycopy(bytes, 0, encoded, 1, bytes.length);
    document.add(new StringField("_id", id, Field.Store.NO));
    document.add(new StoredField("_id", encoded));
    document.add(new StoredField("_source", source.getBytes(StandardCharsets.UTF_8)));
    document.add(new NumericDocValuesField("_primary_term", 1));
    int length = source.length();
    document.add(new StoredField("number", 1_000_000L * length));
    document.add(new StoredField("fraction", length / 7.0));
    document.add(new LongPoint("point", length, -length));
    document.add(new NumericDocValuesField("length", length));
    document.add(new BinaryDocValuesField("binary", new BytesRef(id.repeat(1 + length % 3))));
    document.add(new SortedDocValuesField("sorted", new BytesRef(id)));
    document.add(new SortedSetDocValuesField("set", new BytesRef(id)));
    document.add(new SortedSetDocValuesField("set", new BytesRef("l" + length)));
    document.add(new SortedNumericDocValuesField("numbers", length));
    if (length % 2 == 0) {
      document.add(new SortedNumericDocValuesField("numbers", length * 3L));
    }
    block.add(document);
    if (SOFT_DELETES && id.hashCode() % 2 == 0) {
      IndexWriter.class.getMethod("softUpdateDocuments", Term.class, Iterable.class, Field[].class)
          .invoke(writer, term, block, new Field[] {new NumericDocValuesField(SOFT, 1)});
    } else {
      writer.updateDocuments(term, block);
    }
  }

  private static void print(Directory directory, PrintStream out) throws Exception {
    DirectoryReader reader = DirectoryReader.open(directory);
    if (SOFT_DELETES) {
      reader = (DirectoryReader) Class.forName("org.apache.lucene.index.SoftDeletesDirectoryReaderWrapper")
          .getConstructor(DirectoryReader.class, String.class).newInstance(reader, SOFT);
    }
    for (LeafReaderContext context : reader.leaves()) {
      LeafReader leaf = context.reader();
      for (int number = 0; number < leaf.maxDoc(); number++) {
        Document document = leaf.document(number);
        BytesRef id = document.getBinaryValue("_id");
        if (id == null || leaf.getLiveDocs() != null && !leaf.getLiveDocs().get(number)) {
          continue;
        }
        BytesRef source = document.getBinaryValue("_source");
        CRC32 checksum = new CRC32();
        checksum.update(source.bytes, source.offset, source.length);
        String text = new String(id.bytes, id.offset + 1, id.length - 1, StandardCharsets.UTF_8);
        out.println(text + " " + source.length + " " + Long.toHexString(checksum.getValue()));
      }
    }
    reader.close();
  }

  private static boolean exists(String name) {
    try {
      Class.forName(name);
      return true;
    } catch (ClassNotFoundException absent) {
      return false;
    }
  }
}
