//! See the library of the same name.
fn main() -> std::process::ExitCode {
    es_cli::main(es_iam_policy::command(), es_iam_policy::run)
}
