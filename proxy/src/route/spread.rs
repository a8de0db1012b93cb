//! Targets that share the work.

use super::Door;

/// Orders each run of neighbours that have a weight by `draw`, which a grant always brings alike.
///
/// A run of one draw is in the same order every time: requests of a grant go to the same target as
/// long as it is there, and find what its provider has cached.
pub(super) fn spread(targets: &mut [Door], draw: u64) {
    let mut mixed = draw;
    for run in targets.chunk_by_mut(are_neighbours) {
        if run.iter().all(|door| door.weight().is_some()) {
            shuffle(run, &mut mixed);
        }
    }
}

fn are_neighbours(one: &Door, next: &Door) -> bool {
    one.weight().is_some() == next.weight().is_some() && one.is_fallback() == next.is_fallback()
}

/// Puts one after the other in front, each with the chance that its weight gives it among those
/// that are left.
fn shuffle(run: &mut [Door], mixed: &mut u64) {
    let mut rest = run;
    while rest.len() > 1 {
        let all = rest
            .iter()
            .fold(0_u64, |sum, door| sum.saturating_add(weight(door)));
        *mixed = mix(*mixed);
        let mut left = mixed.checked_rem(all).unwrap_or(0);
        let mut place = 0_usize;
        for door in rest.iter() {
            match left.checked_sub(weight(door)) {
                Some(less) => left = less,
                None => break,
            }
            place = place.saturating_add(1);
        }
        if let Some(passed) = rest.get_mut(..=place) {
            passed.rotate_right(1);
        }
        let Some((_, others)) = rest.split_first_mut() else {
            return;
        };
        rest = others;
    }
}

fn weight(door: &Door) -> u64 {
    door.weight().map_or(1, |it| u64::from(it.get()))
}

/// One step of `SplitMix64` (Steele, Lea, Flood 2014): neighbouring draws fall far apart.
const fn mix(seed: u64) -> u64 {
    let mut z = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
