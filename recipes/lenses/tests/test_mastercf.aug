module Test_mastercf =

test Mastercf.lns get "smtp inet n - y 60? - smtpd -v\n" =
  { "service"
    { "name" = "smtp" } { "gap" = " " } { "type" = "inet" } { "gap" = " " } { "private" = "n" } { "gap" = " " }
    { "unpriv" = "-" } { "gap" = " " } { "chroot" = "y" } { "gap" = " " } { "wakeup" = "60?" } { "gap" = " " }
    { "maxproc" = "-" } { "gap" = " " } { "command" = "smtpd" }
    { "flag" { "gap" = " " } { "word" = "-v" } } { "end" = "\n" } }

let options =
"smtp inet n - y - 1 smtpd
  -o a=b
# a comment
  -o { c = d e } -o f=${g?{h}:{i}}
"

test Mastercf.lns put options after set "/service/option[2]/value" "j" =
"smtp inet n - y - 1 smtpd
  -o a=b
# a comment
  -o { c = j } -o f=${g?{h}:{i}}
"
test Mastercf.lns put options after set "/service/option[3]/value" "k" =
"smtp inet n - y - 1 smtpd
  -o a=b
# a comment
  -o { c = d e } -o f=k
"
test Mastercf.lns put options after rm "/service/option[1]" =
"smtp inet n - y - 1 smtpd
# a comment
  -o { c = d e } -o f=${g?{h}:{i}}
"

(* a value with blanks is possible in braces only *)
test Mastercf.lns put options after set "/service/option[1]/value" "b c" = *

test Mastercf.lns get "smtp inet n - y -\n" = *
test Mastercf.lns get "smtp tcp n - y - - smtpd\n" = *
test Mastercf.lns get "smtp inet n - maybe - - smtpd\n" = *
