//! All fuzz targets: the name of the binary says which.
#![no_main]

use std::cell::RefCell;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    thread_local! {
        static RUN: RefCell<es_fuzz::Run> =
            RefCell::new((es_fuzz::target(env!("CARGO_BIN_NAME")).expect("a target of es-fuzz").open)());
    }
    RUN.with_borrow_mut(|run| run(data));
});
