//! What a request may cost, before it is sent; and what it is charged when nobody counted.

use bauta_token::units::MicroUsd;

use crate::{
    admit::Route,
    dialect::{Ending, Total, Usage},
    price::{CostError, Price, cost},
    read::Asked,
    route::Plan,
};

/// The most that `asked` can cost at any target of `plan`.
///
/// A ceiling is hard only if what is set aside is never less than what is charged, so this is a
/// bound and not a guess:
///
/// * A tokenizer makes at least one byte into a token, and the provider wraps each request in
///   words of its own, so a body that holds all its text reads at most its bytes plus
///   [`OVERHEAD_TOKENS`].
/// * A body that points at an image, a file, an earlier answer or a tool of the provider does not
///   show how much is read. It reads at most the model's context, which configuration names.
/// * Every token read may be the dearest kind: nobody knows what the cache holds.
/// * An answer is at most `max_tokens`, or what the model can write when the caller names no
///   limit; and there are as many answers as the caller wants.
///
/// What it does not bound: a tool that the provider runs in a loop and bills by the call. Such a
/// request is charged what the provider counts, but never more than was set aside.
///
/// # Errors
///
/// [`CostError::Overflow`] when the bound is more than a ledger can hold.
pub fn bound(asked: &Asked, plan: &Plan) -> Result<MicroUsd, CostError> {
    let shape = Shape::of(asked, plan);
    let mut most = MicroUsd::ZERO;
    for target in plan.targets() {
        most = most.max(shape.bound(target.price())?);
    }
    Ok(most)
}

/// What the answer of one target is charged, never more than `held`.
///
/// The provider's own count when it told one to the end. Else, for a part it did not tell: four
/// bytes of the request, and four bytes of the text that came, are a token. `sent` is how many
/// bytes the request had. An answer that failed before it brought anything costs nothing.
#[must_use]
pub fn charge(route: Route, total: &Total, price: Price, sent: usize, held: MicroUsd) -> MicroUsd {
    // Counting tokens costs nothing.
    if route.counts() {
        return MicroUsd::ZERO;
    }
    let mut usage = total.usage;
    let brought = total.text_bytes > 0 || total.told_input;
    if total.ending != Ending::Complete && !brought {
        return MicroUsd::ZERO;
    }
    if !total.told_input {
        usage.input = tokens(u64::try_from(sent).unwrap_or(u64::MAX));
    }
    if !total.told_output {
        usage.output = usage.output.max(tokens(total.text_bytes));
    }
    // A count past the ledger is a count past what was held.
    cost(usage, price).map_or(held, |amount| amount.min(held))
}

/// What bounds one request, apart from the price.
#[derive(Clone, Copy)]
struct Shape {
    free: bool,
    input: u64,
    output: u64,
}

impl Shape {
    fn of(asked: &Asked, plan: &Plan) -> Self {
        let route = asked.call().route();
        let bytes = u64::try_from(asked.size_bytes()).unwrap_or(u64::MAX);
        let text = bytes.saturating_add(OVERHEAD_TOKENS);
        let one = match asked.max_output_tokens() {
            _ if route.embeds() => 0,
            Some(most) => most,
            None => plan.max_output(),
        };
        Self {
            free: route.counts(),
            input: if asked.is_self_contained() {
                text
            } else {
                text.max(plan.context().into())
            },
            output: u64::from(one).saturating_mul(asked.answers().into()),
        }
    }

    fn bound(self, price: Price) -> Result<MicroUsd, CostError> {
        if self.free {
            return Ok(MicroUsd::ZERO);
        }
        let dearest = Price {
            input: price.dearest_input(),
            ..price
        };
        let usage = Usage {
            input: self.input,
            output: self.output,
            ..Usage::default()
        };
        cost(usage, dearest)
    }
}

fn tokens(bytes: u64) -> u64 {
    bytes.div_ceil(BYTES_PER_TOKEN)
}

/// What providers add to a request: the words between messages, and the instructions for tools.
/// The largest told is about 700 for all tools together and a few for each message, whose braces
/// and keys are already counted by the byte.
pub const OVERHEAD_TOKENS: u64 = 2_048;

/// What providers tell people to reckon with in English.
const BYTES_PER_TOKEN: u64 = 4;

#[cfg(test)]
mod tests;
