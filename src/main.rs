//! Pumpwatch: a streaming detector of SMS pumping on Kafka. Everything is in the library.

fn main() -> std::process::ExitCode {
    pumpwatch::cli::main()
}
