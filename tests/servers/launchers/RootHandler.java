import java.util.List;
import org.elasticsearch.Build;
import org.elasticsearch.client.internal.node.NodeClient;
import org.elasticsearch.cluster.ClusterState;
import org.elasticsearch.cluster.service.ClusterService;
import org.elasticsearch.rest.RestChannel;
import org.elasticsearch.rest.RestHandler;
import org.elasticsearch.rest.RestRequest;
import org.elasticsearch.rest.RestResponse;
import org.elasticsearch.rest.RestStatus;
import org.elasticsearch.xcontent.XContentBuilder;

/** Answers GET / with what the distribution answers: clients read the version and the cluster's uuid from it. */
final class RootHandler implements RestHandler {
  private final ClusterService cluster;

  RootHandler(ClusterService cluster) {
    this.cluster = cluster;
  }

  @Override
  public List<Route> routes() {
    return List.of(new Route(RestRequest.Method.GET, "/"), new Route(RestRequest.Method.HEAD, "/"));
  }

  @Override
  public void handleRequest(RestRequest request, RestChannel channel, NodeClient client) throws Exception {
    Build build = Build.current();
    ClusterState state = cluster.state();
    try (XContentBuilder json = channel.newBuilder()) {
      json.startObject();
      json.field("name", cluster.getNodeName());
      json.field("cluster_name", state.getClusterName().value());
      json.field("cluster_uuid", state.metadata().clusterUUID());
      json.startObject("version");
      json.field("number", build.qualifiedVersion());
      json.field("build_flavor", build.flavor());
      json.field("build_type", build.type().displayName());
      json.field("build_hash", build.hash());
      json.field("build_date", build.date());
      json.field("build_snapshot", build.isSnapshot());
      json.field("lucene_version", org.apache.lucene.util.Version.LATEST.toString());
      json.field("minimum_wire_compatibility_version", build.minWireCompatVersion());
      json.field("minimum_index_compatibility_version", build.minIndexCompatVersion());
      json.endObject();
      json.field("tagline", "You Know, for Search");
      json.endObject();
      channel.sendResponse(new RestResponse(RestStatus.OK, json));
    }
  }
}
