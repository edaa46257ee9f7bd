use proptest::prelude::*;

use super::*;

/// Answers what a look asks from a sorted list of times; the times of the rows that were read, and the number of queries.
fn answer(window: &mut Window, table: &[Naive], limit: usize) -> (Vec<Naive>, usize) {
    let (mut read, mut queries) = (Vec::new(), 0);
    while let Some(ask) = window.ask() {
        queries += usize::from(ask != Ask::Newest);
        let within = |from: Naive, to: Option<Naive>| {
            table.iter().copied().filter(move |time| *time >= from && to.is_none_or(|to| *time < to))
        };
        match ask {
            Ask::Newest => window.newest(table.last().copied()),
            Ask::Count { from, to } => window.counted(within(from, to).count() as u64),
            Ask::Rows { from, to, skip } => {
                let chunk: Vec<Naive> = within(from, to).skip(skip).take(limit).collect();
                for time in &chunk {
                    window.row(*time);
                }
                window.chunk(chunk.len() < limit);
                read.extend(chunk);
            }
        }
    }
    (read, queries)
}

#[test]
fn a_look_that_finds_nothing_new_is_one_question() {
    let mut window = Window::default();
    let mut table = vec![10, 10, 10, 20, 30];
    window.begin_all(0);
    assert_eq!(answer(&mut window, &table, 2), (table.clone(), 3));
    window.begin_short(5);
    assert_eq!(answer(&mut window, &table, 2), (vec![], 1));
    table.insert(3, 15);
    window.begin_short(12);
    assert_eq!(answer(&mut window, &table, 10), (vec![15, 20, 30], 2));
    window.begin_full(0, 30);
    assert_eq!(answer(&mut window, &table, 10), (vec![], 2), "two segments, neither read");
    table.remove(0);
    window.begin_full(0, 30);
    assert_eq!(answer(&mut window, &table, 10).0, [10, 10, 15, 20], "a row was deleted");
    window.begin_full(0, 30);
    assert_eq!(answer(&mut window, &table, 10).0, [0; 0]);
}

#[test]
fn a_row_of_a_long_call_is_found_by_a_full_look() {
    let mut window = Window::default();
    window.begin_all(0);
    let mut table = vec![100, 40_000];
    answer(&mut window, &table, 10);
    table.insert(1, 5000);
    window.begin_short(39_000);
    assert_eq!(answer(&mut window, &table, 10), (vec![], 1));
    window.begin_full(0, 40_000);
    assert_eq!(answer(&mut window, &table, 10), (vec![5000], 14));
    assert_eq!(window, Window { look: window.look.clone(), ..Window::of(table.into_iter()) });
}

proptest! {
    /// Against the table itself: whatever was inserted between looks, a full look leaves nothing unread.
    #[test]
    fn nothing_is_left_unread(
        batches in proptest::collection::vec(proptest::collection::vec(0_i64..20_000, 0..20), 1..8),
        limit in 1_usize..7,
    ) {
        let mut window = Window::default();
        window.begin_all(0);
        let (mut table, mut seen) = (Vec::new(), std::collections::BTreeSet::new());
        answer(&mut window, &table, limit);
        for batch in batches {
            table.extend(batch);
            table.sort_unstable();
            let newest = seen.last().copied().unwrap_or(0);
            window.begin_full(0, newest);
            seen.extend(answer(&mut window, &table, limit).0);
            prop_assert_eq!(&seen, &table.iter().copied().collect());
            window.begin_full(0, newest);
            prop_assert_eq!(answer(&mut window, &table, limit).0, Vec::<i64>::new());
        }
    }
}
