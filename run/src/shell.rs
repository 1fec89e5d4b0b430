//! Quoting words of commands that are suggested to a person.

/// A text as one word of a command line, in quotes if a shell would interpret something in it.
pub fn quoted(text: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || "/._-+,:@%".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        return text.to_owned();
    }
    if !text.contains(char::is_control) {
        return format!("'{}'", text.replace('\'', r"'\''"));
    }
    let mut word = String::from("$'");
    for letter in text.chars() {
        match letter {
            '\'' | '\\' => word.extend(['\\', letter]),
            letter if letter.is_control() => {
                let mut bytes = [0; 4];
                word.extend(letter.encode_utf8(&mut bytes).bytes().map(|byte| format!("\\x{byte:02x}")));
            }
            letter => word.push(letter),
        }
    }
    word + "'"
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn what_needs_no_quotes_gets_none() {
        for plain in ["fashion-quick-0412", "/home/me/runs/a_1.b", "数据", "a@b:/c,d"] {
            assert_eq!(quoted(plain), plain);
        }
    }

    #[test]
    fn a_shell_reads_every_word_back_as_it_was() {
        let texts = [
            "runs (old)/q",
            "it's",
            "\"a\" $HOME `b`",
            "",
            "~",
            "a\\b",
            "*?[x]",
            "a;b&c|d<e>f",
            "a\nb\t'c'\\",
            "\u{85}x",
        ];
        for text in texts {
            let script = format!("printf %s {}", quoted(text));
            let said = Command::new("bash").args(["-c", &script]).output().expect("a shell");
            assert_eq!(String::from_utf8_lossy(&said.stdout), text, "{script}");
        }
    }
}
