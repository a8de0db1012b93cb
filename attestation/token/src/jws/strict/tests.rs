use proptest::prelude::*;

use super::*;

#[test]
fn the_names_of_the_outermost_object_are_given() {
    let found = names(br#" {"b":{"c":[1,-2,0.5,null,true,"x"]},"a":{}} "#, ROOMY).unwrap();

    assert_eq!(found.into_iter().collect::<Vec<_>>(), ["a", "b"]);
}

#[test]
fn jwt_17_a_name_that_stands_twice_is_refused_at_any_depth() {
    let twice = [
        r#"{"sub":1,"sub":1}"#,
        r#"{"a":1,"b":2,"a":null}"#,
        r#"{"a":{"b":1,"b":2}}"#,
        r#"{"a":[[{"b":{"c":0,"c":0}}]]}"#,
        r#"{"sub":1,"\u0073ub":2}"#,
        r#"{"":1,"":2}"#,
        r#"{"\/":1,"/":2}"#,
        r#"{"é":1,"\u00e9":2}"#,
    ];
    for json in twice {
        assert_eq!(names(json.as_bytes(), ROOMY), Err(Fault::Twice), "{json}");
    }
    // One name in two objects is no fault.
    assert!(names(br#"{"a":{"x":1},"b":{"x":1},"c":[{"x":1},{"x":1}]}"#, ROOMY).is_ok());
}

#[test]
fn what_is_no_object_is_refused() {
    for json in ["[]", "[{}]", r#""x""#] {
        assert_eq!(
            names(json.as_bytes(), ROOMY),
            Err(Fault::NotAnObject),
            "{json}"
        );
    }
    for json in ["null", "1", "true", "1.5", "-1"] {
        assert!(names(json.as_bytes(), ROOMY).is_err(), "{json}");
    }
}

#[test]
fn what_is_no_json_is_refused() {
    let bad: [&[u8]; 16] = [
        b"",
        b" ",
        b"{",
        b"{}}",
        b"{} {}",
        b"{}x",
        b"{a:1}",
        b"{'a':1}",
        br#"{"a":1,}"#,
        br#"{"a":NaN}"#,
        br#"{"a":01}"#,
        br#"{"a":1e400}"#,
        br#"{"a":"\ud800"}"#,
        b"{\"a\":\"\xff\"}",
        b"{\"a\":\"\n\"}",
        b"\xef\xbb\xbf{}",
    ];
    for json in bad {
        assert_eq!(names(json, ROOMY), Err(Fault::Syntax), "{json:?}");
    }
}

#[test]
fn jwt_19_nesting_ends_at_the_limit() {
    let nested = |depth: usize| format!("{}{}", r#"{"a":"#.repeat(depth), "}".repeat(depth));
    let lists = |depth: usize| format!(r#"{{"a":{}{}}}"#, "[".repeat(depth), "]".repeat(depth));
    let at = |depth| Limits {
        depth,
        values: 100_000,
    };

    assert!(names(lists(3).as_bytes(), at(4)).is_ok());
    assert_eq!(names(lists(4).as_bytes(), at(4)), Err(Fault::Deep));
    assert_eq!(names(lists(10_000).as_bytes(), at(12)), Err(Fault::Deep));
    assert_eq!(names(nested(10_000).as_bytes(), at(12)), Err(Fault::Deep));
}

#[test]
fn jwt_19_names_and_values_end_at_the_limit() {
    let object = |n: usize| {
        let members: Vec<_> = (0..n).map(|n| format!(r#""{n}":0"#)).collect();
        format!("{{{}}}", members.join(","))
    };
    let list = |n: usize| format!(r#"{{"a":[{}]}}"#, vec!["0"; n].join(","));
    let limits = Limits {
        depth: 4,
        values: 20,
    };

    assert!(names(object(10).as_bytes(), limits).is_ok());
    assert_eq!(names(object(11).as_bytes(), limits), Err(Fault::Many));
    assert!(names(list(18).as_bytes(), limits).is_ok());
    assert_eq!(names(list(19).as_bytes(), limits), Err(Fault::Many));
    assert_eq!(names(object(100_000).as_bytes(), limits), Err(Fault::Many));
}

proptest! {
    #[test]
    fn bytes_are_read_without_a_panic(bytes: Vec<u8>) {
        let read = names(&bytes, ROOMY).is_ok();
        // Never laxer than the reader that comes after.
        prop_assert!(!read || serde_json::from_slice::<serde_json::Value>(&bytes).is_ok());
    }

    #[test]
    fn json_like_text_is_judged_as_serde_judges_it(text in r#"[{}\[\]:,"a1 .\\u-]{0,24}"#) {
        let ours = names(text.as_bytes(), ROOMY);
        let theirs = serde_json::from_str::<serde_json::Map<_, serde_json::Value>>(&text);
        prop_assert!(ours == Err(Fault::Twice) || ours.is_ok() == theirs.is_ok());
    }
}

const ROOMY: Limits = Limits {
    depth: 16,
    values: 1000,
};
