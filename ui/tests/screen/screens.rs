//! Every view at several sizes. Look at the snapshots: they are the screen.

use crate::stage::{Stage, options};

fn check(name: &str, stage: &mut Stage, sizes: &[(u16, u16)]) {
    for &(width, height) in sizes {
        insta::assert_snapshot!(format!("{name}_{width}x{height}"), stage.screen(width, height));
    }
}

const ALL: [(u16, u16); 6] = [(140, 40), (100, 30), (80, 24), (60, 16), (40, 12), (40, 1)];

#[test]
fn overview() {
    check("overview", &mut Stage::searching(options(), 124), &ALL);
}
