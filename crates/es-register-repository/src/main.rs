//! The binary; everything it does is in the library beside it.
fn main() -> std::process::ExitCode {
    es_cli::main(es_register_repository::command(), es_register_repository::run)
}
