import org.codelibs.elasticsearch.runner.ElasticsearchClusterRunner;

/** One node of Elasticsearch 5.x, 6.x or 7.0 to 7.10, for which the cluster runner brings the distribution's modules. */
final class ClusterRunnerNode {
  public static void main(String[] arguments) throws Exception {
    Bed bed = Bed.open(arguments);
    ElasticsearchClusterRunner runner = new ElasticsearchClusterRunner();
    runner.onBuild((number, settings) -> bed.settings().forEach(settings::put));
    runner.build(ElasticsearchClusterRunner.newConfigs()
        .clusterName(bed.get("cluster"))
        .numOfNode(1)
        .basePath(bed.get("home")));
    bed.holdUntilStopped(runner);
  }
}
