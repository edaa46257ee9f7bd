//! Numbers as Go's `strconv` prints them, because that is what Prometheus tools compare against.

/// Appends `value` as the text format prints it: the shortest digits that read back to the same
/// double, in `%g` form (`1e+06`, `0.0001`, `1e-05`), and `NaN`, `+Inf`, `-Inf`.
pub fn write_float(out: &mut Vec<u8>, value: f64) {
    if value.is_nan() {
        out.extend_from_slice(b"NaN");
    } else if value.is_infinite() {
        out.extend_from_slice(if value > 0.0 { b"+Inf" } else { b"-Inf" });
    } else if value == 0.0 {
        // Prometheus' writers print the negative zero as plain 0.
        out.push(b'0');
    } else if value.abs() < FIXED_BELOW && value.trunc() == value {
        write_int(out, value as i64);
    } else {
        write_shortest(out, value);
    }
}

/// Appends `value` as OpenMetrics prints it: like [`write_float`], with `.0` behind whole numbers.
pub fn write_open_metrics_float(out: &mut Vec<u8>, value: f64) {
    let start = out.len();
    write_float(out, value);
    if value.is_finite() && !out[start..].iter().any(|b| matches!(b, b'.' | b'e')) {
        out.extend_from_slice(b".0");
    }
}

/// Appends a whole number.
pub fn write_int(out: &mut Vec<u8>, value: i64) {
    out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
}

/// Appends a whole number without a sign.
pub fn write_uint(out: &mut Vec<u8>, value: u64) {
    out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
}

/// From here on `%g` without a precision switches to the exponent.
const FIXED_BELOW: f64 = 1e6;
/// Below this it does too.
const FIXED_FROM: f64 = 1e-4;

fn write_shortest(out: &mut Vec<u8>, value: f64) {
    let mut buffer = zmij::Buffer::new();
    let text = buffer.format_finite(value).as_bytes();
    let (mantissa, exponent) = split_exponent(text);
    let magnitude = value.abs();
    if exponent == 0 && (FIXED_FROM..FIXED_BELOW).contains(&magnitude) {
        out.extend_from_slice(mantissa);
        return;
    }
    let mut digits = [0u8; 40];
    let (digits, point) = significant_digits(mantissa, &mut digits);
    if value < 0.0 {
        out.push(b'-');
    }
    let exponent = exponent + point - 1;
    if (FIXED_FROM..FIXED_BELOW).contains(&magnitude) {
        write_fixed(out, digits, exponent);
    } else {
        write_scientific(out, digits, exponent);
    }
}

/// `1.5e-7` is `1.5` and -7; without an `e` the exponent is 0.
fn split_exponent(text: &[u8]) -> (&[u8], i32) {
    let Some(at) = text.iter().position(|b| *b == b'e') else { return (text, 0) };
    let (negative, number) = match &text[at + 1..] {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        rest => (false, rest),
    };
    let exponent = number.iter().fold(0, |n, digit| n * 10 + i32::from(digit - b'0'));
    (&text[..at], if negative { -exponent } else { exponent })
}

/// The digits without sign, point and zeros at either end, and the place of the decimal point
/// counted from the first of them.
fn significant_digits<'a>(mantissa: &[u8], buffer: &'a mut [u8; 40]) -> (&'a [u8], i32) {
    let mut len = 0;
    let mut point = 0;
    let mut seen_point = false;
    for byte in mantissa {
        match byte {
            b'-' => {}
            b'.' => seen_point = true,
            digit => {
                if *digit != b'0' || len > 0 {
                    buffer[len] = *digit;
                    len += 1;
                    point += i32::from(!seen_point);
                } else if seen_point {
                    point -= 1;
                }
            }
        }
    }
    while len > 1 && buffer[len - 1] == b'0' {
        len -= 1;
    }
    (&buffer[..len], point)
}

fn write_fixed(out: &mut Vec<u8>, digits: &[u8], exponent: i32) {
    if exponent < 0 {
        out.extend_from_slice(b"0.");
        out.extend(std::iter::repeat_n(b'0', (-exponent - 1) as usize));
        out.extend_from_slice(digits);
        return;
    }
    let whole = exponent as usize + 1;
    if digits.len() <= whole {
        out.extend_from_slice(digits);
        out.extend(std::iter::repeat_n(b'0', whole - digits.len()));
    } else {
        out.extend_from_slice(&digits[..whole]);
        out.push(b'.');
        out.extend_from_slice(&digits[whole..]);
    }
}

fn write_scientific(out: &mut Vec<u8>, digits: &[u8], exponent: i32) {
    out.push(digits[0]);
    if digits.len() > 1 {
        out.push(b'.');
        out.extend_from_slice(&digits[1..]);
    }
    out.extend_from_slice(if exponent < 0 { b"e-" } else { b"e+" });
    let exponent = exponent.unsigned_abs();
    if exponent < 10 {
        out.push(b'0');
    }
    write_uint(out, u64::from(exponent));
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn text(value: f64) -> String {
        let mut out = Vec::new();
        write_float(&mut out, value);
        String::from_utf8(out).unwrap()
    }

    /// Values and texts printed by Go's `strconv.FormatFloat(v, 'g', -1, 64)`.
    #[test]
    fn prints_as_go_does() {
        for (value, want) in [
            (0.0, "0"),
            (-0.0, "0"),
            (1.0, "1"),
            (-1.0, "-1"),
            (47.0, "47"),
            (999_999.0, "999999"),
            // Two texts of 16 digits are equally near; Go takes the even one.
            (f64::from_bits(4_827_885_901_929_441_914), "5.663376269550872e+14"),
            (1e6, "1e+06"),
            (1_234_567.0, "1.234567e+06"),
            (-1_000_000.0, "-1e+06"),
            (123_456_789.25, "1.2345678925e+08"),
            (999_999.5, "999999.5"),
            (0.1, "0.1"),
            (0.0001, "0.0001"),
            (0.00012, "0.00012"),
            (0.00001, "1e-05"),
            (1.5e-7, "1.5e-07"),
            (1e21, "1e+21"),
            (1e100, "1e+100"),
            (5e-324, "5e-324"),
            (f64::MAX, "1.7976931348623157e+308"),
            (9_007_199_254_740_993.0, "9.007199254740992e+15"),
            (f64::NAN, "NaN"),
            (f64::INFINITY, "+Inf"),
            (f64::NEG_INFINITY, "-Inf"),
        ] {
            assert_eq!(text(value), want);
        }
    }

    #[test]
    fn open_metrics_numbers_have_a_point_or_an_exponent() {
        for (value, want) in [
            (0.0, "0.0"),
            (1.0, "1.0"),
            (-47.0, "-47.0"),
            (2.5, "2.5"),
            (1e6, "1e+06"),
            (f64::INFINITY, "+Inf"),
        ] {
            let mut out = Vec::new();
            write_open_metrics_float(&mut out, value);
            assert_eq!(String::from_utf8(out).unwrap(), want);
        }
    }

    proptest! {
        #[test]
        fn reads_back_to_the_same_double(bits: u64) {
            let value = f64::from_bits(bits);
            prop_assume!(value.is_finite());
            prop_assert_eq!(text(value).parse::<f64>().unwrap(), value);
        }

        #[test]
        fn uses_no_more_digits_than_the_standard_library(bits: u64) {
            let value = f64::from_bits(bits);
            prop_assume!(value.is_finite() && value != 0.0);
            let digits = |s: &str| {
                let mantissa = s.split('e').next().unwrap().replace(['-', '.'], "");
                mantissa.trim_matches('0').to_owned()
            };
            // Only their number: of two that are equally near, the standard library takes the odd one, Go the even one.
            prop_assert_eq!(digits(&text(value)).len(), digits(&format!("{value:e}")).len());
        }
    }
}
