(*
A file of shell variables in /etc/default, as sh and systemd's EnvironmentFile both read it. Lines that assign
nothing are kept as they are.

The tree of THREADS=5 is
  { "variable" { "before" = "" } { "name" = "THREADS" } { "value" = "5" } { "end" = "\n" } }
The value stands in its quotes, which may end on a later line.
*)
module Shellvars =

let leaf      = Readllines.leaf

let name      = /[A-Za-z_][A-Za-z0-9_]*/
let quoted    = /"([^"\\]|[\\](.|\n))*"/ | /'[^']*'/
let bare      = /[^ \t\r\f\v\n"'#;&|<>()`\\][^ \t\r\f\v\n"';&|<>()`\\]*/
let end       = leaf "end" /[ \t\r\f\v]*([ \t]#[^\n]*|;[ \t]*)?\n/

let variable  = [ label "variable" . leaf "before" /[ \t]*(export[ \t]+)?/ . leaf "name" name . del "=" "="
                  . [ label "value" . store (quoted | bare) ]? . end ]

(* what begins neither like a comment nor like an assignment *)
let other     = [ label "other" . store /[ \t]*([^# \t\r\f\v\nA-Za-z_][^\n]*|[A-Za-z_][A-Za-z0-9_]*([^=A-Za-z0-9_\n][^\n=]*)?)\n/ ]

let lns       = (Readllines.comment | Readllines.empty | variable | other)*
