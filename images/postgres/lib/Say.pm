# What the backups' commands say: to a person on standard error, to a program on standard output, a line each.
package Say;
use v5.36;
use Exporter 'import';
use JSON::PP ();
our @EXPORT_OK = qw(note progress answer refuse failed quiet json);

my $quiet = 0;
my $failed = 0;
my $json = JSON::PP->new->canonical->utf8;

sub json () { return $json }

# From now on progress is nobody's concern.
sub quiet () { $quiet = 1; return }

sub note ($line) {
    say STDERR "backups: $line" if !$quiet;
    return;
}

# How far something is: what, and per cent.
sub progress ($what, $percent = undef) {
    state $told = '';
    my $line = join ' ', 'progress', $percent // '-', $what;
    say $line if !$quiet && $line ne $told;
    $told = $line;
    return;
}

# The last line, for programs.
sub answer ($data) {
    say $json->encode($data);
    return;
}

# Something went wrong, and the rest is done all the same.
sub failed ($line) {
    $failed = 1;
    say STDERR "backups: $line";
    return;
}

sub refuse ($status, @lines) {
    say STDERR "backups: $lines[0]";
    say STDERR for @lines[ 1 .. $#lines ];
    exit $status;
}

END { $? = 1 if $failed && !$? }

1;
