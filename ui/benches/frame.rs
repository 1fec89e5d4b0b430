//! One frame of the screen, view by view: `cargo bench --workspace --bench frame`.

#[path = "../tests/screen/fake_run.rs"]
#[allow(dead_code)] // Tests use all of it.
mod fake_run;
#[path = "../tests/screen/stage.rs"]
#[allow(dead_code)] // Likewise.
mod stage;

use divan::Bencher;
use ratatui::buffer::Buffer;
use stage::{Stage, options};

fn main() {
    divan::main();
}

/// A view of a long search, by its key, drawn into a buffer of a large terminal.
#[divan::bench(args = ["1", "2", "3", "4", "5", "6", "7", "9"])]
fn frame(bencher: Bencher, view: &str) {
    let mut stage = Stage::searching(options(), 400);
    stage.press(view);
    let area = stage.frame(200, 60).area;
    bencher.with_inputs(|| Buffer::empty(area)).bench_local_refs(|buffer| stage.app.draw(area, buffer));
}
