(*
Postfix's master.cf, as postconf(1) and master(8) read it: eight fields, then options "-o name=value" of the
daemon, then (for pipe and spawn) other arguments.

The tree of "smtps inet n - y - - smtpd -o a=b" is
  { "service"
    { "name" = "smtps" } { "gap" = " " } { "type" = "inet" } { "gap" = " " } { "private" = "n" } …
    { "command" = "smtpd" }
    { "option" { "gap" = " " } { "flag" = "-o " } { "name" = "a" } { "equals" = "=" } { "value" = "b" } }
    { "end" = "\n" } }
*)
module Mastercf =

let leaf      = Readllines.leaf
let fold      = Readllines.fold
let space     = /[ \t\r\f\v]+/

(* Text in braces is one word, blanks included; regular expressions count braces up to a depth. *)
let braces1   = "{" . /[^{}\n]*/ . "}"
let braces2   = "{" . (/[^{}\n]/ | braces1)* . "}"
let braces    = "{" . (/[^{}\n]/ | braces2)* . "}"

let rest      = (/[^ \t\r\f\v\n{]/ | braces)*
let word      = (/[^# \t\r\f\v\n{]/ | braces) . rest
let argument  = (/[^# \t\r\f\v\n{-]/ | braces) . rest | "--"

(* on its own line nothing starts with "#" *)
let gap       = leaf "gap" (space | fold)

(************************************************************************ fields *)

let field (l:string) (r:regexp) = gap . leaf l r
let fields    = leaf "name" /[^# \t\r\f\v\n][^ \t\r\f\v\n]*/
              . field "type" /inet|unix(-dgram)?|fifo|pass/
              . field "private" /[yn-]/
              . field "unpriv" /[yn-]/
              . field "chroot" /[yn-]/
              . field "wakeup" /[0-9]+\??|-\??/
              . field "maxproc" /[0-9]+|-/
              . field "command" word

(*********************************************************************** options *)

let name      = leaf "name" /[^#{}= \t\r\f\v\n][^{}= \t\r\f\v\n]*/
let plain     = leaf "flag" (/-[^o \t\r\f\v\n{]*o/ . (space | fold)?) . name
              . (leaf "equals" "=" . leaf "value" rest)?

let solid     = /[^{} \t\r\f\v\n]/ | braces
let on_line   = /[^#{} \t\r\f\v\n]/ | braces
let more      = (space . solid+ | fold . on_line . solid*)*
let braced    = leaf "flag" (/-[^o \t\r\f\v\n{]*o/ . (space | fold)? . "{" . (space | fold)?) . name
              . ( leaf "equals" ((space | fold)? . "=")
                | leaf "equals" ((space | fold)? . "=" . space?) . leaf "value" (solid+ . more)
                | leaf "equals" ((space | fold)? . "=" . fold) . leaf "value" (on_line . solid* . more) )
              . leaf "close" ((space | fold)? . "}")

let option    = [ label "option" . gap . (plain | braced) ]

(********************************************************************* arguments *)

let flag      = [ label "flag" . gap . leaf "word" /-([^o \t\r\f\v\n{-][^o \t\r\f\v\n{]*|-[^o \t\r\f\v\n{]+)?/ ]
let remark    = [ label "remark" . leaf "gap" space . leaf "word" ("#" . rest) ]
let unfinished = [ label "unfinished" . gap . leaf "word" /-[^o \t\r\f\v\n{]*o/ ]
let first     = [ label "argument" . gap . leaf "word" argument ] | remark
let next      = [ label "next" . gap . leaf "word" word ] | remark

let service   = [ label "service" . fields . (option | flag)* . (unfinished | first . next*)? . Readllines.end ]

let lns       = Readllines.file service
