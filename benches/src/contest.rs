//! The figures of several sides that are measured by turns in one run: medians, extremes, ratios.
//!
//! The benchmarks add figures, round after round; a table goes to stderr, a line of JSON to stdout.
//! A ratio is the median of the rounds' ratios, since a disturbance of a round affects both of its
//! sides.

use std::time::Duration;

use serde::Serialize;

/// The quantity that is measured.
pub struct Contest {
    what: String,
    unit: &'static str,
    sides: Vec<Side>,
}

/// One of the measured sides; the first is the gateway.
struct Side {
    name: String,
    rounds: Vec<f64>,
}

/// A side in the report.
#[derive(Debug, Clone, PartialEq, Serialize)]
struct Line<'a> {
    what: &'a str,
    unit: &'a str,
    side: &'a str,
    median: f64,
    min: f64,
    max: f64,
    /// Ours to this one, in the rounds' middle.
    ratio: f64,
    ratio_min: f64,
    ratio_max: f64,
    rounds: usize,
}

impl Contest {
    /// Without rounds yet.
    pub fn new(what: impl Into<String>, unit: &'static str) -> Self {
        Self { what: what.into(), unit, sides: Vec::new() }
    }

    /// A side's figure of the next round.
    pub fn add(&mut self, side: &str, figure: f64) {
        eprintln!("  {}: {side}: {} {}", self.what, readable(figure), self.unit);
        match self.sides.iter_mut().find(|s| s.name == side) {
            Some(side) => side.rounds.push(figure),
            None => self.sides.push(Side { name: side.to_owned(), rounds: vec![figure] }),
        }
    }

    /// Prints the result.
    pub fn tell(&self) {
        eprintln!("\n{} ({})", self.what, self.unit);
        let [median, min, max] = ["median", "min", "max"];
        eprintln!("{:<42} {median:>10} {min:>10} {max:>10} {:>8} {min:>6} {max:>6}", "", "ours to");
        for line in self.lines() {
            eprintln!(
                "{:<42} {:>10} {:>10} {:>10} {:>8.2} {:>6.2} {:>6.2}",
                line.side,
                readable(line.median),
                readable(line.min),
                readable(line.max),
                line.ratio,
                line.ratio_min,
                line.ratio_max
            );
            println!("{}", serde_json::to_string(&line).unwrap());
        }
    }

    fn lines(&self) -> Vec<Line<'_>> {
        let Some(ours) = self.sides.first() else { return Vec::new() };
        self.sides.iter().map(|side| self.line(ours, side)).collect()
    }

    fn line<'a>(&'a self, ours: &Side, side: &'a Side) -> Line<'a> {
        let ratios = ours.rounds.iter().zip(&side.rounds).map(|(ours, other)| ours / other);
        let ratios: Vec<_> = ratios.collect();
        let ([min, max], [ratio_min, ratio_max]) = (extremes(&side.rounds), extremes(&ratios));
        let (ratio, median) = (median(ratios), median(side.rounds.clone()));
        let (what, unit, rounds) = (self.what.as_str(), self.unit, side.rounds.len());
        Line { what, unit, side: &side.name, median, min, max, ratio, ratio_min, ratio_max, rounds }
    }
}

fn extremes(figures: &[f64]) -> [f64; 2] {
    [
        figures.iter().copied().fold(f64::INFINITY, f64::min),
        figures.iter().copied().fold(0.0, f64::max),
    ]
}

/// How many in a second.
#[allow(clippy::cast_precision_loss, reason = "nobody counts to 2^52")]
pub fn per_second(count: u64, time: Duration) -> f64 {
    count as f64 / time.as_secs_f64()
}

/// The middle one, or the mean of both.
pub fn median(mut figures: Vec<f64>) -> f64 {
    quantile(&mut figures, 0.5)
}

/// The figure that this part of them does not exceed; between two, in proportion.
pub fn quantile(figures: &mut [f64], part: f64) -> f64 {
    figures.sort_by(f64::total_cmp);
    if figures.is_empty() {
        return f64::NAN;
    }
    #[allow(clippy::cast_precision_loss, reason = "nobody measures 2^52 times")]
    let at = part * (figures.len() - 1) as f64;
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is an index")]
    let (low, high) = (at.floor() as usize, at.ceil() as usize);
    figures[low] + (figures[high] - figures[low]) * at.fract()
}

fn readable(figure: f64) -> String {
    if figure.abs() < 100.0 { format!("{figure:.2}") } else { format!("{figure:.0}") }
}

#[cfg(test)]
mod tests {
    use super::{Contest, median, quantile};

    #[test]
    fn a_ratio_is_that_of_the_rounds_not_of_the_medians() {
        let mut contest = Contest::new("x", "1/s");
        for (ours, other) in [(10.0, 20.0), (100.0, 200.0), (4.0, 2.0)] {
            contest.add("ours", ours);
            contest.add("other", other);
        }
        let lines = contest.lines();
        assert_eq!((lines[0].median, lines[0].ratio), (10.0, 1.0));
        assert_eq!(
            (lines[1].median, lines[1].min, lines[1].max, lines[1].ratio),
            (20.0, 2.0, 200.0, 0.5)
        );
        assert_eq!((lines[1].ratio_min, lines[1].ratio_max), (0.5, 2.0));
    }

    #[test]
    fn quantiles_are_of_the_sorted() {
        assert_eq!(median(vec![3.0, 1.0]), 2.0);
        assert_eq!(quantile(&mut [5.0, 1.0, 3.0], 1.0), 5.0);
        assert_eq!(quantile(&mut [1.0, 2.0, 4.0], 0.75), 3.0);
        assert!(median(Vec::new()).is_nan());
    }
}
