# How a run ends when it cannot go on: a message on standard error, and an exit code that says what kind it is.
package Stop;
use v5.36;
use Exporter 'import';
our @EXPORT_OK = qw(stop last_line);

my @last_lines;

sub stop ($status, @lines) {
    say STDERR join "\n", "migrate: $lines[0]", @lines[ 1 .. $#lines ], @last_lines;
    exit $status;
}

# A line with which every message from now on ends.
sub last_line ($line) {
    push @last_lines, $line;
    return;
}

1;
