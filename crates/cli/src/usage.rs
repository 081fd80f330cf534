//! Tokens and money, as people are told of them.

use stratavore_rpc::v1;

use crate::output::{Style, names};
use crate::table::{Side, Table};
use crate::text::printable;

/// Returns the tokens of all kinds.
pub(crate) const fn tokens(usage: &v1::Usage) -> u64 {
    usage
        .input_tokens
        .saturating_add(usage.output_tokens)
        .saturating_add(usage.cache_creation_input_tokens)
        .saturating_add(usage.cache_read_input_tokens)
}

/// Renders a number with its thousands set apart.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Renders an amount of money: cents, and below one as much as says something.
pub(crate) fn dollars(amount: f64) -> String {
    if amount > 0.0 && amount < 0.01 {
        let small = format!("{amount:.4}");
        return if small == "0.0000" {
            "<$0.0001".to_owned()
        } else {
            format!("${small}")
        };
    }
    let cents = format!("{amount:.2}");
    match cents.split_once('.') {
        Some((whole, part)) => match whole.parse() {
            Ok(whole) => format!("${}.{part}", grouped(whole)),
            Err(_) => format!("${cents}"),
        },
        None => format!("${cents}"),
    }
}

/// Returns what it costs by the table of prices, where it does: with a mark when some of it has no price.
fn estimated(usage: &v1::Usage) -> Option<String> {
    let cost = usage.cost_usd.filter(|_| usage.label != "program")?;
    let mark = if usage.unpriced_tokens > 0 {
        "more than "
    } else {
        ""
    };
    Some(format!("{mark}{}", dollars(cost)))
}

/// Returns what its program says that it costs.
fn own(usage: &v1::Usage) -> Option<f64> {
    usage
        .program_cost_usd
        .or_else(|| usage.cost_usd.filter(|_| usage.label == "program"))
}

/// Gives names and values for the card of what used it.
pub(crate) fn rows(usage: &v1::Usage) -> Vec<(&'static str, String)> {
    let mut kinds = vec![
        format!("{} input", grouped(usage.input_tokens)),
        format!("{} output", grouped(usage.output_tokens)),
    ];
    for (count, name) in [
        (usage.cache_creation_input_tokens, "cache write"),
        (usage.cache_read_input_tokens, "cache read"),
    ] {
        if count > 0 {
            kinds.push(format!("{} {name}", grouped(count)));
        }
    }
    let mut cost: Vec<String> = estimated(usage)
        .map(|cost| format!("{cost} (estimated)"))
        .into_iter()
        .collect();
    cost.extend(own(usage).map(|cost| format!("{} (the program's own)", dollars(cost))));
    if cost.is_empty() && usage.unpriced_tokens > 0 {
        cost.push("unknown: its model has no price".to_owned());
    }
    vec![("tokens", kinds.join(", ")), ("cost", cost.join(", "))]
}

/// Shows a report: a row for each key, the total, and what its figures are.
pub(crate) fn report(report: &v1::UsageReport, by: Option<&'static str>, style: Style) -> String {
    let nothing = v1::Usage::default();
    let total = report.total.as_ref().unwrap_or(&nothing);
    let usages = || {
        let rows = report.rows.iter().filter_map(|row| row.usage.as_ref());
        rows.chain([total])
    };
    let has_own = usages().any(|usage| own(usage).is_some());
    let has_estimate = !has_own || usages().any(|usage| estimated(usage).is_some());
    let mut heading = vec![
        (by.unwrap_or(""), Side::Left),
        ("INPUT", Side::Right),
        ("OUTPUT", Side::Right),
        ("CACHE WRITE", Side::Right),
        ("CACHE READ", Side::Right),
    ];
    heading.extend(has_estimate.then_some(("ESTIMATED COST", Side::Right)));
    heading.extend(has_own.then_some(("PROGRAM'S OWN", Side::Right)));
    let mut table = Table::new(&heading);
    let mut add = |key: &str, usage: &v1::Usage| {
        let mut row = vec![
            key.to_owned(),
            grouped(usage.input_tokens),
            grouped(usage.output_tokens),
            grouped(usage.cache_creation_input_tokens),
            grouped(usage.cache_read_input_tokens),
        ];
        row.extend(has_estimate.then(|| estimated(usage).unwrap_or_default()));
        row.extend(has_own.then(|| own(usage).map(dollars).unwrap_or_default()));
        table.row(row);
    };
    for row in &report.rows {
        let key = match row.key.as_str() {
            "" => "(none)",
            key => key,
        };
        add(key, row.usage.as_ref().unwrap_or(&nothing));
    }
    add("total", total);
    let mut text = table.render(style);
    text.push('\n');
    for sentence in meaning(report, total, has_estimate) {
        text.push_str(&printable(&sentence));
        text.push('\n');
    }
    text
}

/// Tells what the figures are, and what they do not hold.
fn meaning(report: &v1::UsageReport, total: &v1::Usage, has_estimate: bool) -> Vec<String> {
    let costs = if has_estimate {
        format!(
            "Costs are estimated by the prices of {} ({})",
            report.prices_date, report.prices_source
        )
    } else {
        "Costs are the programs' own".to_owned()
    };
    let mut sentences = vec![format!(
        "Tokens are measured. {costs}; days are those of {}.",
        report.time_zone
    )];
    if tokens(total) == 0 {
        sentences.insert(0, "Nothing was used.".to_owned());
    }
    if !report.unpriced_models.is_empty() || total.unpriced_tokens > 0 {
        let models = match report.unpriced_models.as_slice() {
            [] => String::new(),
            models => format!(": {}", names(models.iter().map(String::as_str))),
        };
        sentences.push(format!(
            "Without a price, and not in the costs: {} tokens of models that the table lacks{models}.",
            grouped(total.unpriced_tokens)
        ));
    }
    if let (Some(own), Some(estimate)) = (own(total), total.cost_usd)
        && total.label != "program"
    {
        let (difference, word) = if own >= estimate {
            (own - estimate, "more")
        } else {
            (estimate - own, "less")
        };
        sentences.push(format!(
            "The programs themselves say {}: {} {word} than is estimated.",
            dollars(own),
            dollars(difference)
        ));
    }
    sentences
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_are_set_apart() {
        for (number, text) in [
            (0, "0"),
            (999, "999"),
            (1000, "1,000"),
            (1_234_567, "1,234,567"),
            (u64::MAX, "18,446,744,073,709,551,615"),
        ] {
            assert_eq!(grouped(number), text);
        }
    }

    #[test]
    fn money_is_told_in_cents_and_never_as_nothing_when_it_is_something() {
        for (amount, text) in [
            (0.0, "$0.00"),
            (0.000_01, "<$0.0001"),
            (0.0042, "$0.0042"),
            (0.01, "$0.01"),
            (12.345, "$12.35"),
            (1_234.5, "$1,234.50"),
        ] {
            assert_eq!(dollars(amount), text);
        }
    }

    #[test]
    fn a_cost_is_told_with_where_it_is_from() {
        let usage = v1::Usage {
            input_tokens: 1000,
            output_tokens: 500,
            label: "estimated".into(),
            cost_usd: Some(1.5),
            ..v1::Usage::default()
        };
        let cost = |usage: &v1::Usage| rows(usage)[1].1.clone();
        assert_eq!(rows(&usage)[0].1, "1,000 input, 500 output");
        assert_eq!(cost(&usage), "$1.50 (estimated)");
        let partly = v1::Usage {
            unpriced_tokens: 100,
            program_cost_usd: Some(2.0),
            ..usage.clone()
        };
        assert_eq!(
            cost(&partly),
            "more than $1.50 (estimated), $2.00 (the program's own)"
        );
        let own = v1::Usage {
            label: "program".into(),
            ..usage.clone()
        };
        assert_eq!(cost(&own), "$1.50 (the program's own)");
        let unknown = v1::Usage {
            cost_usd: None,
            unpriced_tokens: 1500,
            ..usage
        };
        assert_eq!(cost(&unknown), "unknown: its model has no price");
    }
}
