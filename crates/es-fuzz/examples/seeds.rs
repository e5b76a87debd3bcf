//! Writes the seeds of each target as the corpus that cargo-fuzz begins with: `seeds DIRECTORY` makes DIRECTORY/TARGET/N.
#![allow(clippy::unwrap_used)] // a corpus that cannot be written is none

fn main() {
    let directory = std::path::PathBuf::from(std::env::args_os().nth(1).unwrap());
    for target in es_fuzz::TARGETS {
        let own = directory.join(target.name);
        std::fs::create_dir_all(&own).unwrap();
        for (number, seed) in (target.seeds)().iter().enumerate() {
            std::fs::write(own.join(format!("seed-{number:05}")), seed).unwrap();
        }
    }
}
