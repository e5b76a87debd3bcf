//! The binary; everything it does is in the library beside it.
fn main() -> std::process::ExitCode {
    es_cli::main(es_preflight::command(), es_preflight::run)
}
