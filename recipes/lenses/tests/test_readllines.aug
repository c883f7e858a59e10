(* Logical lines: what is skipped, and where a line goes on. *)
module Test_readllines =

let word = [ label "word" . store /[a-z]+/ . Readllines.end ]
let lns  = Readllines.file word

test lns get "a  \n" = { "word" = "a" { "end" = "  \n" } }

test lns get "# one\n\n  # two\n" = { "#comment" = "# one\n" } { "#empty" = "\n" } { "#comment" = "  # two\n" }

(* before the first logical line a line that starts with a blank continues nothing *)
test lns get " b\na\r\n" = { "#orphan" = " b\n" } { "word" = "a" { "end" = "\r\n" } }

(* behind it, it would belong to the line before *)
test lns get "a\n b\n" = *
