//! See the library of the same name.
fn main() -> std::process::ExitCode {
    es_cli::main(es_sign_request::command(), es_sign_request::run)
}
