(*
What main.cf and master.cf share: logical lines, as readllines(3) of Postfix reads them.

A line whose first non-blank is "#" and a blank line are skipped wherever they stand, within a logical line too.
Any other line that starts with a blank continues what came before.

Every byte of a text is in a leaf of its tree, and the leaves are in the order of the text:
what an edit does not name cannot change.
*)
module Readllines =

let leaf (l:string) (r:regexp) = [ label l . store r ]

let blanks    = /[ \t\r\f\v]*/
let comment   = leaf "#comment" /[ \t\r\f\v]*#[^\n]*\n/
let empty     = leaf "#empty" /[ \t\r\f\v]*\n/
let end       = leaf "end" /[ \t\r\f\v]*\n/

(* from the last non-blank of a line up to the first one of the line that continues it *)
let fold      = /[ \t\r\f\v]*\n([ \t\r\f\v]*(#[^\n]*)?\n)*[ \t\r\f\v]+/

(* a continuation line with nothing to continue: Postfix warns, and ignores it *)
let orphan    = leaf "#orphan" /[ \t\r\f\v]+[^# \t\r\f\v\n][^\n]*\n/

let file (entry:lens) = (comment | empty | orphan)* . (entry . (comment | empty)*)*
