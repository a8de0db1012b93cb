#![expect(
    clippy::arithmetic_side_effects,
    reason = "the definitions are copied as RFC 6962 writes them"
)]

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::tree::{Frontier, leaf_hash};

/// `MTH` as RFC 6962, section 2.1 writes it, recursion and all.
fn naive_root(leaves: &[Hash]) -> Hash {
    match leaves {
        [] => empty_root(),
        [leaf] => *leaf,
        _ => {
            let (left, right) = leaves.split_at(naive_split(leaves.len()));
            node_hash(&naive_root(left), &naive_root(right))
        }
    }
}

/// `PATH` as RFC 6962, section 2.1.1 writes it.
fn naive_path(index: usize, leaves: &[Hash]) -> Vec<Hash> {
    if leaves.len() == 1 {
        return Vec::new();
    }
    let (left, right) = leaves.split_at(naive_split(leaves.len()));
    let (mut path, other) = if index < left.len() {
        (naive_path(index, left), naive_root(right))
    } else {
        (naive_path(index - left.len(), right), naive_root(left))
    };
    path.push(other);
    path
}

/// `SUBPROOF` as RFC 6962, section 2.1.2 writes it.
fn naive_subproof(old: usize, leaves: &[Hash], known: bool) -> Vec<Hash> {
    if old == leaves.len() {
        return if known {
            Vec::new()
        } else {
            vec![naive_root(leaves)]
        };
    }
    let (left, right) = leaves.split_at(naive_split(leaves.len()));
    let (mut proof, other) = if old <= left.len() {
        (naive_subproof(old, left, known), naive_root(right))
    } else {
        (
            naive_subproof(old - left.len(), right, false),
            naive_root(left),
        )
    };
    proof.push(other);
    proof
}

fn naive_split(size: usize) -> usize {
    let mut width = 1;
    while width * 2 < size {
        width *= 2;
    }
    width
}

fn leaves(size: usize) -> Vec<Hash> {
    (0..size)
        .map(|at| leaf_hash(None, at.to_string().as_bytes()))
        .collect()
}

/// Every complete subtree, and the frontier, as appending gives them.
fn grown(leaves: &[Hash]) -> (BTreeMap<NodeId, Hash>, Frontier) {
    let mut frontier = Frontier::empty();
    let nodes = leaves
        .iter()
        .flat_map(|leaf| frontier.append(*leaf))
        .collect();
    (nodes, frontier)
}

#[test]
fn every_root_is_that_of_the_recursive_definition() {
    let all = leaves(300);
    for size in 0..=all.len() {
        let (nodes, frontier) = grown(&all[..size]);

        assert_eq!(frontier.root(), naive_root(&all[..size]), "size {size}");
        let ids = Frontier::peak_ids(size as u64);
        let peaks = ids.iter().map(|id| nodes[id]).collect();
        assert_eq!(Frontier::new(size as u64, peaks), Some(frontier));
    }
}

#[test]
fn every_inclusion_proof_is_that_of_the_recursive_definition_and_verifies() {
    let all = leaves(130);
    for size in 1..=all.len() {
        let (nodes, frontier) = grown(&all[..size]);
        for (index, leaf) in all[..size].iter().enumerate() {
            let (at, of) = (index as u64, size as u64);
            let plan = Plan::inclusion(at, of).unwrap();
            let proof = plan.prove(|id| nodes.get(&id).copied()).unwrap();

            assert_eq!(proof, naive_path(index, &all[..size]), "{index} of {size}");
            verify_inclusion(leaf, at, of, &proof, &frontier.root()).unwrap();
        }
    }
}

#[test]
fn every_consistency_proof_is_that_of_the_recursive_definition_and_verifies() {
    let all = leaves(130);
    for new in 1..=all.len() {
        let (nodes, frontier) = grown(&all[..new]);
        for old in 1..=new {
            let plan = Plan::consistency(old as u64, new as u64).unwrap();
            let proof = plan.prove(|id| nodes.get(&id).copied()).unwrap();

            assert_eq!(
                proof,
                naive_subproof(old, &all[..new], true),
                "{old} to {new}"
            );
            let old_root = naive_root(&all[..old]);
            verify_consistency(old as u64, &old_root, new as u64, &frontier.root(), &proof)
                .unwrap();
        }
    }
}

#[test]
fn the_empty_tree_is_a_prefix_by_the_empty_proof_only() {
    let all = leaves(3);
    let root = naive_root(&all);
    let empty = empty_root();

    assert_eq!(Plan::consistency(0, 3).unwrap().nodes().count(), 0);
    assert_eq!(verify_consistency(0, &empty, 3, &root, &[]), Ok(()));
    assert_eq!(verify_consistency(0, &empty, 0, &empty, &[]), Ok(()));
    assert_eq!(verify_consistency(0, &root, 3, &root, &[]), Err(ProofError));
    assert_eq!(
        verify_consistency(0, &empty, 0, &root, &[]),
        Err(ProofError)
    );
    assert_eq!(
        verify_consistency(0, &empty, 3, &root, &[root]),
        Err(ProofError)
    );
}

#[test]
fn a_tree_never_shrinks() {
    let all = leaves(4);
    let (three, four) = (naive_root(&all[..3]), naive_root(&all));

    assert_eq!(Plan::consistency(4, 3), None);
    assert_eq!(
        verify_consistency(4, &four, 3, &three, &[]),
        Err(ProofError)
    );
}

#[test]
fn a_leaf_beyond_the_end_has_no_proof() {
    let all = leaves(4);

    assert_eq!(Plan::inclusion(4, 4), None);
    assert_eq!(Plan::inclusion(0, 0), None);
    let found = verify_inclusion(&all[0], 4, 4, &[], &all[0]);
    assert_eq!(found, Err(ProofError));
}

#[test]
fn aud_03_a_fork_with_a_common_prefix_has_no_consistency_proof() {
    let honest = leaves(9);
    let mut forked = honest.clone();
    forked[6] = leaf_hash(None, b"another story");
    let (nodes, frontier) = grown(&forked);

    let plan = Plan::consistency(8, 9).unwrap();
    let proof = plan.prove(|id| nodes.get(&id).copied()).unwrap();
    let found = verify_consistency(8, &naive_root(&honest[..8]), 9, &frontier.root(), &proof);

    assert_eq!(found, Err(ProofError));
}

proptest! {
    #[test]
    fn a_proof_verifies_for_nothing_but_what_it_proves(
        size in 1_usize..400,
        index in any::<prop::sample::Index>(),
        part in any::<prop::sample::Index>(),
        bit in 0_usize..256,
        other in 0_u64..400,
    ) {
        let all = leaves(size);
        let index = index.index(size);
        let (nodes, frontier) = grown(&all);
        let (at, of, root) = (index as u64, size as u64, frontier.root());
        let plan = Plan::inclusion(at, of).unwrap();
        let proof = plan.prove(|id| nodes.get(&id).copied()).unwrap();

        prop_assert_eq!(verify_inclusion(&all[index], at, of, &proof, &root), Ok(()));
        if other != at {
            prop_assert!(verify_inclusion(&all[index], other, of, &proof, &root).is_err());
        }
        let mut longer = proof.clone();
        longer.push(root);
        prop_assert!(verify_inclusion(&all[index], at, of, &longer, &root).is_err());
        if !proof.is_empty() {
            let mut bent = proof.clone();
            bent[part.index(proof.len())].0[bit / 8] ^= 1 << (bit % 8);
            prop_assert!(verify_inclusion(&all[index], at, of, &bent, &root).is_err());
            prop_assert!(verify_inclusion(&all[index], at, of, &proof[1..], &root).is_err());
        }
    }

    #[test]
    fn consistency_verifies_for_nothing_but_what_it_proves(
        new in 2_usize..400,
        old in any::<prop::sample::Index>(),
        part in any::<prop::sample::Index>(),
        bit in 0_usize..256,
    ) {
        let all = leaves(new);
        let old = old.index(new - 1) + 1;
        let (nodes, frontier) = grown(&all);
        let (was, is) = (naive_root(&all[..old]), frontier.root());
        let (before, now) = (old as u64, new as u64);
        let plan = Plan::consistency(before, now).unwrap();
        let proof = plan.prove(|id| nodes.get(&id).copied()).unwrap();

        prop_assert_eq!(verify_consistency(before, &was, now, &is, &proof), Ok(()));
        prop_assert!(verify_consistency(before, &is, now, &was, &proof).is_err());
        prop_assert!(verify_consistency(before, &was, now, &was, &proof).is_err());
        let mut longer = proof.clone();
        longer.push(is);
        prop_assert!(verify_consistency(before, &was, now, &is, &longer).is_err());
        if !proof.is_empty() {
            let mut bent = proof.clone();
            bent[part.index(proof.len())].0[bit / 8] ^= 1 << (bit % 8);
            prop_assert!(verify_consistency(before, &was, now, &is, &bent).is_err());
            prop_assert!(verify_consistency(before, &was, now, &is, &proof[1..]).is_err());
        }
    }

    #[test]
    fn proofs_in_trees_no_one_can_build_are_short(index in 0_u64..u64::MAX) {
        let plan = Plan::inclusion(index, u64::MAX).unwrap();

        prop_assert!(plan.nodes().count() <= 64 * 2);
        let older = Plan::consistency(index, u64::MAX).unwrap();
        prop_assert!(older.nodes().count() <= 64 * 3);
    }
}
