//! A leg of a call: what is told of a channel, in little memory, because twenty thousand calls are open at a time.

use std::sync::Arc;

/// What is told of a leg in words.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Told {
    Channel,
    CallerId,
    CallerName,
    Account,
    Context,
    Exten,
}

/// How many of them there are.
const TOLD: usize = 6;

/// A leg: a channel, for as long as it belongs to the call.
#[derive(Debug)]
pub(crate) struct Leg {
    pub(crate) uniqueid: Arc<str>,
    /// What is told of it, one after the other: six pieces of memory would take twice as much.
    texts: Box<str>,
    /// Where each of them ends.
    ends: [u32; TOLD],
    pub(crate) quality: Quality,
    /// Its hangup was asked for.
    pub(crate) hangup_requested: bool,
    /// Its span, if the limit left one.
    pub(crate) span: Option<u32>,
}

impl Leg {
    /// A leg without a span. `texts` are in the order of [`Told`].
    pub(crate) fn new(uniqueid: Arc<str>, texts: [&str; TOLD]) -> Self {
        let (texts, ends) = join(texts);
        Self { uniqueid, texts, ends, quality: Quality::default(), hangup_requested: false, span: None }
    }

    /// The same channel, as a leg of another call from now on.
    pub(crate) fn elsewhere(&self) -> Self {
        Self {
            uniqueid: Arc::clone(&self.uniqueid),
            texts: self.texts.clone(),
            quality: Quality::default(),
            span: None,
            ..*self
        }
    }

    /// Empty where nothing is told.
    pub(crate) fn text(&self, which: Told) -> &str {
        let at = which as usize;
        let from = if at == 0 { 0 } else { self.ends[at - 1] };
        self.texts.get(from as usize..self.ends[at] as usize).unwrap_or_default()
    }

    pub(crate) fn set_text(&mut self, which: Told, text: &str) {
        use Told::*;
        let mut texts = [Channel, CallerId, CallerName, Account, Context, Exten].map(|each| self.text(each));
        texts[which as usize] = text;
        (self.texts, self.ends) = join(texts);
    }
}

fn join(texts: [&str; TOLD]) -> (Box<str>, [u32; TOLD]) {
    let mut end = 0;
    let ends = texts.map(|text| {
        end += text.len();
        // Each is cut at a limit far below.
        u32::try_from(end).unwrap_or(u32::MAX)
    });
    (texts.concat().into_boxed_str(), ends)
}

/// What RTCP said of a leg.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Quality {
    sum: f32,
    lowest: f32,
    reports: u16,
}

impl Quality {
    pub(crate) fn add(&mut self, mos: f64) {
        #[expect(clippy::cast_possible_truncation, reason = "between 1 and 4.5")]
        let mos = mos as f32;
        if self.reports == u16::MAX {
            return;
        }
        self.lowest = if self.reports == 0 { mos } else { self.lowest.min(mos) };
        self.sum += mos;
        self.reports += 1;
    }

    /// Mean and lowest score, to two decimals.
    pub(crate) fn mos(&self) -> Option<(f64, f64)> {
        let round = |value: f32| (f64::from(value) * 100.0).round() / 100.0;
        (self.reports > 0).then(|| (round(self.sum / f32::from(self.reports)), round(self.lowest)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_found_again_and_exchanged() {
        let mut leg = Leg::new(Arc::from("1.0"), ["SIP/1-0", "", "Zo\u{eb}", "", "from-sip", "s"]);
        let all = |leg: &Leg| {
            use Told::*;
            [Channel, CallerId, CallerName, Account, Context, Exten].map(|which| leg.text(which).to_owned())
        };
        assert_eq!(all(&leg), ["SIP/1-0", "", "Zo\u{eb}", "", "from-sip", "s"]);
        leg.set_text(Told::CallerId, "4912345");
        leg.set_text(Told::Exten, "");
        leg.set_text(Told::Channel, "SIP/2-0");
        assert_eq!(all(&leg), ["SIP/2-0", "4912345", "Zo\u{eb}", "", "from-sip", ""]);
        assert_eq!(all(&leg.elsewhere()), all(&leg));
    }
}
