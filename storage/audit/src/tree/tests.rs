use super::*;

#[test]
fn the_empty_root_is_the_hash_of_nothing() {
    let known = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    assert_eq!(Frontier::empty().root().to_string(), known);
    assert_eq!(empty_root(), plain_hash(b""));
}

/// The eight leaves that certificate transparency implementations test with, and their roots.
#[test]
fn the_roots_of_the_reference_tree_are_found() {
    let leaves = [
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    ];
    let roots = [
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
        "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
        "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
        "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
        "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
    ];
    let mut frontier = Frontier::empty();

    for (leaf, root) in leaves.iter().zip(roots) {
        let bytes: Vec<u8> = (0..leaf.len() / 2)
            .map(|at| u8::from_str_radix(&leaf[at * 2..at * 2 + 2], 16).unwrap())
            .collect();
        frontier.append(leaf_hash(None, &bytes));
        assert_eq!(frontier.root().to_string(), root);
    }
}

#[test]
fn appending_gives_each_subtree_that_it_completes() {
    let mut frontier = Frontier::empty();
    let leaf = leaf_hash(None, b"{}");
    let ids = |grown: Vec<(NodeId, Hash)>| -> Vec<(u8, u64)> {
        grown.iter().map(|(id, _)| (id.level, id.index)).collect()
    };

    assert_eq!(ids(frontier.append(leaf)), [(0, 0)]);
    assert_eq!(ids(frontier.append(leaf)), [(0, 1), (1, 0)]);
    assert_eq!(ids(frontier.append(leaf)), [(0, 2)]);
    assert_eq!(ids(frontier.append(leaf)), [(0, 3), (1, 1), (2, 0)]);
}

#[test]
fn a_full_tree_takes_no_leaf() {
    let peaks = vec![empty_root(); 64];
    let mut frontier = Frontier::new(u64::MAX, peaks).unwrap();

    assert!(frontier.append(empty_root()).is_empty());
    assert_eq!(frontier.size(), u64::MAX);
}

#[test]
fn a_frontier_with_a_peak_too_few_is_none() {
    assert!(Frontier::new(3, vec![empty_root()]).is_none());
    assert!(Frontier::new(0, vec![empty_root()]).is_none());
    assert!(Frontier::new(0, Vec::new()).is_some());
}

#[test]
fn a_salted_leaf_is_the_hash_of_salt_and_event() {
    let salt = [7; 32];
    let joined = [&salt[..], b"{}"].concat();

    assert_eq!(leaf_hash(Some(&salt), b"{}"), leaf_hash(None, &joined));
    assert_ne!(leaf_hash(Some(&salt), b"{}"), leaf_hash(None, b"{}"));
}

#[test]
fn a_hash_is_read_as_it_is_printed_and_no_other_way() {
    let hash = plain_hash(b"a");
    let text = hash.to_string();

    assert_eq!(text.parse(), Ok(hash));
    assert_eq!(text.to_uppercase().parse::<Hash>(), Err(HashError));
    assert_eq!(text[1..].parse::<Hash>(), Err(HashError));
    assert_eq!(format!("{}é", &text[2..]).parse::<Hash>(), Err(HashError));
    assert_eq!(format!("+{}", &text[1..]).parse::<Hash>(), Err(HashError));
}
