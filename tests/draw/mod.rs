//! Property tests on random values. Each case has its own seed, so that a failure repeats on every
//! machine and in every run.

// Each test binary uses a part of this module.
#![allow(dead_code, unreachable_pub)]

use fastrand::Rng;
use std::{ops::Range, thread};

const CASES: u64 = 512;

/// Checks a property on many random cases. A failure prints the number of its case.
pub fn check(property: impl Fn(&mut Draw)) {
    for number in 0..CASES {
        let case = Case(number);
        property(&mut Draw(Rng::with_seed(number)));
        drop(case);
    }
}

struct Case(u64);

impl Drop for Case {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("the property fails in case {} of {CASES}", self.0);
        }
    }
}

/// A source of random values; its field is the generator, for values that have no method here.
pub struct Draw(pub Rng);

impl Draw {
    pub fn bool(&mut self) -> bool {
        self.0.bool()
    }

    pub fn pick<T: Clone>(&mut self, values: &[T]) -> T {
        values[self.0.usize(..values.len())].clone()
    }

    /// `None` in half of the cases.
    pub fn option<T>(&mut self, value: impl FnOnce(&mut Self) -> T) -> Option<T> {
        self.bool().then(|| value(self))
    }

    /// A list with a random length in the range.
    pub fn list<T, C: FromIterator<T>>(
        &mut self,
        length: Range<usize>,
        mut value: impl FnMut(&mut Self) -> T,
    ) -> C {
        let length = self.0.usize(length);
        (0..length).map(|_| value(self)).collect()
    }

    /// Characters of `alphabet`, with a random length in the range.
    pub fn of(&mut self, alphabet: &str, length: Range<usize>) -> String {
        let alphabet = alphabet.chars().collect::<Vec<_>>();
        self.list(length, |draw| draw.pick(&alphabet))
    }

    /// Any integer. One in four is at an edge, where mistakes are likely.
    pub fn i64(&mut self) -> i64 {
        match self.0.u8(..4) {
            0 => self.pick(&[i64::MIN, i64::MIN + 1, -1, 0, 1, i64::MAX - 1, i64::MAX]),
            _ => self.0.i64(..),
        }
    }

    /// Any integer. One in four is at an edge.
    pub fn i32(&mut self) -> i32 {
        match self.0.u8(..4) {
            0 => self.pick(&[i32::MIN, -1_000_000_000, -1, 0, 1, 999_999_999, i32::MAX]),
            _ => self.0.i32(..),
        }
    }

    /// Text of any characters, control characters included.
    pub fn any_text(&mut self, length: Range<usize>) -> String {
        self.list(length, |draw| draw.0.char(..))
    }

    /// Printable text: mostly ASCII, with characters that have a meaning in JSON or YAML, and
    /// characters of any script.
    pub fn text(&mut self, length: Range<usize>) -> String {
        const SPECIAL: &[char] = &[
            '"', '\'', '\\', '/', ':', '#', '-', '{', '}', '[', ']', '&', '*', '!', '|', '>', '%',
            ' ', '~', '\u{a0}', 'é', 'ß', 'İ', '中', 'ع', '\u{2028}', '\u{feff}', '\u{fffd}', '😀',
        ];
        self.list(length, |draw| match draw.0.u8(..4) {
            0 => draw.pick(SPECIAL),
            1 => loop {
                let character = draw.0.char(..);
                if !character.is_control() {
                    break character;
                }
            },
            _ => draw.0.char(' '..='~'),
        })
    }
}
