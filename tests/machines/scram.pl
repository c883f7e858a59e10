# Logs in by SCRAM with any hash (Authen::SCRAM) and by one-time passwords (RFC 2289, RFC 2444), one at a time.
# Arguments: server. Each line of input: port, mechanism, user and password, the latter two in base64.
# Each line of output: the server's last reply, such as 235, or "none" where the exchange broke off.
use strict;
use warnings;
use Authen::SCRAM::Client;
use Digest::MD5 qw(md5);
use Encode qw(decode_utf8);
use IO::Socket::SSL;
use MIME::Base64;

my ( $server, $socket ) = @ARGV;

sub reply {
    my ( $code, $text ) = ( 'none', '' );
    while ( my $line = <$socket> ) {
        ( $code, my $more, $text ) = $line =~ /^(\d{3})([ -]?)(.*?)\r?$/ or return ( 'none', '' );
        last if $more ne '-';
    }
    return ( $code, $text );
}

sub say_ { print $socket "$_[0]\r\n"; return reply() }

sub answer { return say_( encode_base64( $_[0], '' ) ) }

sub connect_ {
    my ($port) = @_;
    $socket = IO::Socket::INET->new( PeerAddr => $server, PeerPort => $port, Timeout => 10 ) or return;
    reply();
    say_("EHLO client.example.org");
    say_("STARTTLS");
    $socket = IO::Socket::SSL->start_SSL( $socket, SSL_verify_mode => SSL_VERIFY_NONE ) or return;
    say_("EHLO client.example.org");
    return 1;
}

sub scram {
    my ( $digest, $user, $password ) = @_;
    my $client = Authen::SCRAM::Client->new(
        username => decode_utf8($user), password => decode_utf8($password), digest => $digest );
    my ( $code, $text ) = answer( $client->first_msg );
    return $code if $code ne '334';
    ( $code, $text ) = answer( $client->final_msg( decode_base64($text) ) );
    return $code if $code ne '334';
    $client->validate( decode_base64($text) );
    ($code) = say_('');
    return $code;
}

sub fold { my ( $left, $right ) = unpack 'a8a8', md5( $_[0] ); return $left ^ $right }

sub otp {
    my ( $user, $password ) = @_;
    my ( $code, $text ) = answer("\0$user");
    return $code if $code ne '334';
    my ( $count, $seed ) = decode_base64($text) =~ /^otp-md5 (\d+) (\w+)/ or return 'none';
    my $word = fold( lc($seed) . $password );
    $word = fold($word) for 1 .. $count;
    ($code) = answer( 'hex:' . unpack 'H*', $word );
    return $code;
}

$| = 1;
while ( my $line = <STDIN> ) {
    my ( $port, $mechanism, @who ) = split ' ', $line;
    @who = map { decode_base64($_) } @who;
    my $code = eval {
        connect_($port) or return 'none';
        my ($said) = say_("AUTH $mechanism");
        return $said if $said ne '334';
        return $mechanism eq 'OTP' ? otp(@who) : scram( $mechanism =~ s/^SCRAM-//r, @who );
    };
    print $code // 'none', "\n";
}
