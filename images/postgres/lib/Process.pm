# Programs that are run: no shell, and what they said is in the message when they fail.
package Process;
use v5.36;
use Exporter 'import';
use IPC::Open3 qw(open3);
our @EXPORT_OK = qw(run attempt piped);

use constant SHOWN_LINES => 12;

# Runs a program; each line that it says, on either output, goes to `$told`. Returns exit status and all lines.
sub attempt ($command, $told = undef) {
    my $process = open3(my $input, my $output, undef, @$command);
    close $input;
    my @lines;
    while (my $line = <$output>) {
        chomp $line;
        push @lines, $line;
        $told->($line) if $told;
    }
    waitpid $process, 0;
    return (_status($?), @lines);
}

# The same; dies with the last lines when it fails. Returns the lines.
sub run (@command) {
    my ($status, @lines) = attempt(\@command);
    die join "\n", "$command[0] " . _how($status), map({ "  $_" } _last(@lines)), '' if $status;
    return @lines;
}

# One program's output into another one. Dies with what they said when either fails.
sub piped ($from, $to) {
    pipe my $read, my $write or die "no pipe: $!\n";
    open my $said, '+>', undef or die "no file: $!\n";
    my @pids = (_start($from, undef, $write, $said), _start($to, $read, $said, $said));
    close $read;
    close $write;
    my @status = map { waitpid $_, 0; _status($?) } @pids;
    return if !grep { $_ } @status;
    seek $said, 0, 0;
    chomp(my @lines = <$said>);
    my @how = map { $status[$_] ? ($from->[0], $to->[0])[$_] . ' ' . _how($status[$_]) : () } 0, 1;
    die join "\n", join(', ', @how), map({ "  $_" } _last(@lines)), '';
}

sub _start ($command, $input, $output, $errors) {
    my $pid = fork // die "cannot fork: $!\n";
    return $pid if $pid;
    $input ? open(STDIN, '<&', $input) : open(STDIN, '<', '/dev/null');
    open STDOUT, '>&', $output;
    open STDERR, '>&', $errors;
    exec { $command->[0] } @$command or exit 127;
}

sub _status ($wait) { return $wait & 127 ? 128 + ($wait & 127) : $wait >> 8 }

sub _how ($status) { return $status > 128 ? 'was ended by signal ' . ($status - 128) : "ended with $status" }

sub _last (@lines) { return @lines > SHOWN_LINES ? @lines[ -SHOWN_LINES() .. -1 ] : @lines }

1;
