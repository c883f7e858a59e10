(*
Postfix's main.cf: logical lines of the form "name = value", as split_nameval(3) of Postfix splits them.

The tree of "relayhost = [mail.example.com]" is
  { "parameter" { "name" = "relayhost" } { "equals" = " = " } { "value" = "[mail.example.com]" } { "end" = "\n" } }
*)
module Maincf =

let leaf      = Readllines.leaf
let blanks    = Readllines.blanks
let fold      = Readllines.fold

let name      = /[^# \t\r\f\v\n=][^ \t\r\f\v\n=]*/
let equals    = (blanks | fold) . "="

(* what follows the name on its line may start with "#", what stands on a line of its own may not *)
let text      = /[^ \t\r\f\v\n]([^\n]*[^ \t\r\f\v\n])?/
let next_text = /[^# \t\r\f\v\n]([^\n]*[^ \t\r\f\v\n])?/

let unset     = leaf "equals" equals
let here      = leaf "equals" (equals . blanks) . leaf "value" (text . (fold . next_text)*)
let below     = leaf "equals" (equals . fold) . leaf "value" (next_text . (fold . next_text)*)

let parameter = [ label "parameter" . leaf "name" name . (unset | here | below) . Readllines.end ]

let lns       = Readllines.file parameter
