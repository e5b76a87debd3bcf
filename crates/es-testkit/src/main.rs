//! Real servers for tests; see `es_testkit::cli`.

fn main() -> std::process::ExitCode {
    es_testkit::cli::main()
}
