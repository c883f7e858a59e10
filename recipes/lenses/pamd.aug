(*
A service of PAM in /etc/pam.d (pam.d(5)): one rule a line. A rule that goes on on the next line (a backslash at
its end) is not read.

The tree of "auth required pam_unix.so" is { "rule" { "text" = "auth required pam_unix.so" } { "end" = "\n" } }
*)
module Pamd =

let leaf      = Readllines.leaf

let text      = /[^# \t\r\f\v\n\]([^\n]*[^ \t\r\f\v\n\])?/

let rule      = [ label "rule" . leaf "indent" Readllines.blanks . leaf "text" text . Readllines.end ]

let lns       = (Readllines.comment | Readllines.empty | rule)*
