use super::*;
use crate::{
    note::Signer,
    ready,
    store::{Entry, Memory},
    tree::{Hash, node_hash},
};

fn tile(level: u8, index: u64, width: u16) -> Tile {
    Tile {
        level,
        index,
        width,
    }
}

#[test]
fn a_path_is_read_as_it_is_printed() {
    for (path, expected) in [
        ("tile/0/000", tile(0, 0, 256)),
        ("tile/0/067.p/1", tile(0, 67, 1)),
        ("tile/2/x001/x234/067", tile(2, 1_234_067, 256)),
        ("tile/7/x001/000.p/255", tile(7, 1000, 255)),
    ] {
        assert_eq!(path.parse(), Ok(expected));
        assert_eq!(expected.to_string(), path);
    }
}

#[test]
fn no_tile_has_a_second_path() {
    for path in [
        "",
        "tile/0/0",
        "tile/00/000",
        "tile/8/000",
        "tile/-1/000",
        "tile/0/x000/001",
        "tile/0/001/000",
        "tile/0/x001",
        "tile/0/1234",
        "tile/0/000.p/0",
        "tile/0/000.p/256",
        "tile/0/000.p/01",
        "tile/0/000.p/300",
        "tile/0/../000",
        "tile/0/000/",
        "/tile/0/000",
        "tile/entries/000",
        "tile/0/x99999/x999/x999/x999/x999/x999/999",
    ] {
        assert_eq!(path.parse::<Tile>(), Err(TileError), "{path}");
    }
}

#[test]
fn a_tile_is_as_wide_as_the_log_allows() {
    assert_eq!(Tile::of_log(0, 0, 0), None);
    assert_eq!(Tile::of_log(0, 0, 5), Some(tile(0, 0, 5)));
    assert_eq!(Tile::of_log(0, 0, 256), Some(tile(0, 0, 256)));
    assert_eq!(Tile::of_log(0, 1, 256), None);
    assert_eq!(Tile::of_log(1, 0, 255), None);
    assert_eq!(Tile::of_log(1, 0, 600), Some(tile(1, 0, 2)));
    assert_eq!(Tile::of_log(8, 0, u64::MAX), None);
    assert_eq!(Tile::of_log(0, u64::MAX, u64::MAX), None);
}

#[test]
fn a_tile_above_holds_the_roots_of_the_tiles_below() {
    let signer = Signer::new("log.example", &[1; 32]).unwrap();
    let log = Memory::new();
    let entries: Vec<_> = (0..600)
        .map(|at| Entry {
            salt: None,
            event: at.to_string(),
        })
        .collect();
    log.append(&signer, &entries);

    let below = ready(tile(0, 1, 256).contents(&log)).unwrap().unwrap();
    let above = ready(tile(1, 0, 2).contents(&log)).unwrap().unwrap();

    let mut level: Vec<_> = below
        .chunks(32)
        .map(|bytes| Hash(bytes.try_into().unwrap()))
        .collect();
    while level.len() > 1 {
        level = level
            .chunks(2)
            .map(|two| node_hash(&two[0], &two[1]))
            .collect();
    }
    assert_eq!(above[32..], level[0].0);
}

#[test]
fn a_narrower_tile_stays_and_a_wider_one_is_not_there_yet() {
    let signer = Signer::new("log.example", &[1; 32]).unwrap();
    let log = Memory::new();
    let entry = Entry {
        salt: None,
        event: "{}".to_owned(),
    };
    log.append(&signer, &[entry.clone(), entry]);

    assert_eq!(
        ready(tile(0, 0, 1).contents(&log)).unwrap().unwrap().len(),
        32
    );
    assert_eq!(
        ready(tile(0, 0, 2).contents(&log)).unwrap().unwrap().len(),
        64
    );
    assert_eq!(ready(tile(0, 0, 3).contents(&log)).unwrap(), None);
}
