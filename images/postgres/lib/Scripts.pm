# The scripts that this run is about: read from the working directory, and refused when they cannot be run.
package Scripts;
use v5.36;
use Digest::SHA qw(sha256_hex);
use Encode ();
use Exporter 'import';
use Statements qw(remarks statements);
use Stop qw(stop);
our @EXPORT_OK = qw(read_scripts read_checksums excerpt unusable);

use constant SHOWN_LINES => 20;

sub read_scripts () {
    my @scripts = map { _read_script($_) } _distinct(_order());
    _refuse_unusable($_) for @scripts;
    return @scripts;
}

# For a comparison, which needs no text: each line of `order` is a name and the checksum of its script.
sub read_checksums () {
    my %checksums;
    for my $line (_order()) {
        my ($name, $checksum) = $line =~ /\A(.+) ([0-9a-fA-F]{64})\z/
            or stop(2, "\"$line\" in order is not a name and a checksum");
        $checksums{$name} = lc $checksum;
    }
    return map { { name => $_, checksum => $checksums{$_} } } sort keys %checksums;
}

sub _slurp ($path) {
    open my $file, '<:raw', $path or stop(2, "the archive has no readable file $path");
    local $/ = undef;
    return <$file> // '';
}

sub _order () {
    return split /\r?\n/, _slurp('order');
}

sub _distinct (@names) {
    my %seen;
    for my $name (@names) {
        my $below = $name =~ m{\A[^/]} && $name !~ m{(?:\A|/)\.\.(?:/|\z)};
        stop(2, "\"$name\" in order is not a path below scripts/") if !$below;
        stop(2, "\"$name\" stands twice in order") if $seen{$name}++;
    }
    return @names;
}

# Refuses text that PostgreSQL would read differently from what a person sees.
sub _read_script ($name) {
    my $bytes = _slurp("scripts/$name");
    my $text = $bytes =~ s/\A\xef\xbb\xbf//r;
    my $rest = $text;
    Encode::decode('UTF-8', $rest, Encode::FB_QUIET);
    my $zero = index $text, "\0";
    my $valid = $zero >= 0 && $zero < length($text) - length $rest ? $zero : length($text) - length $rest;
    if ($valid < length $text) {
        my $line = 1 + (substr($text, 0, $valid) =~ tr/\n//);
        stop(4, "$name, line $line: not UTF-8 text; save the script as UTF-8. Nothing was applied");
    }
    return {
        name => $name,
        checksum => sha256_hex($bytes),
        statements => [ statements($text) ],
        backward_compatible => !!grep { /\A--\s*monopco: backward-compatible\s*\z/i } remarks($text),
    };
}

sub _refuse_unusable ($script) {
    for my $statement (@{ $script->{statements} }) {
        my ($where, $why) = unusable($statement->{bare}) or next;
        my $line = $statement->{line} + (substr($statement->{bare}, 0, $where) =~ tr/\n//);
        stop(4, "$script->{name}, line $line: $why. Nothing was applied", excerpt($statement, $line));
    }
    return;
}

# Where in a statement, and why, it cannot be run in a transaction of ours; nothing when it can.
sub unusable ($bare) {
    return ($-[0], q{psql's backslash commands are not SQL and can read files; write SQL instead}) if $bare =~ /\\/;
    return (0, 'the script runs in one transaction of our own; remove BEGIN, COMMIT and ROLLBACK')
        if $bare =~ /\A(?:begin|start\s+transaction|commit|end|abort|prepare\s+transaction)\b/i
        || $bare =~ /\Arollback\b(?!\s+(?:(?:work|transaction)\s+)?to\b)/i;
    return (0, 'COPY from STDIN or to STDOUT needs psql; write INSERT instead')
        if $bare =~ /\Acopy\b.*\b(?:from\s+stdin|to\s+stdout)\b/is;
    return;
}

# The statement's lines, numbered as in the script, as far as they fit around the line that is wrong.
sub excerpt ($statement, $line) {
    my @lines = split /\r?\n/, $statement->{text};
    my $first = $line - $statement->{line} - SHOWN_LINES / 2;
    $first = $first > @lines - SHOWN_LINES ? @lines - SHOWN_LINES : $first;
    $first = 0 if $first < 0;
    my $last = $first + SHOWN_LINES - 1 > $#lines ? $#lines : $first + SHOWN_LINES - 1;
    my @shown;
    for my $number (map { $statement->{line} + $_ } $first .. $last) {
        my $mark = $number == $line ? '>' : ' ';
        push @shown, sprintf '%s %4d  %s', $mark, $number, $lines[ $number - $statement->{line} ];
    }
    my $hidden = @lines - @shown;
    return (@shown, $hidden ? "        ($hidden more lines)" : ());
}

1;
