# Applies the scripts of the working directory's `order`, each once, each in one transaction with its record.
# With --check it applies nothing, and says whether a release that knows the scripts in `order` can use the schema.
# Exit codes: 2 the list is not usable, 3 a script was changed after it was applied, 4 a script failed or is refused,
# 5 the schema is ahead, 6 no restore point, 9 no connection.
use v5.36;
use Encode ();
use JSON::PP ();
use Time::HiRes qw(time);
use Record qw(connected transaction keep_record read_records problem);
use RestorePoint ();
use Scripts qw(read_scripts read_checksums excerpt);
use Stop qw(stop);

STDOUT->autoflush(1);
my $checking = @ARGV && $ARGV[0] eq '--check';
my @scripts = $checking ? read_checksums() : read_scripts();
my %known = map { $_->{name} => 1 } @scripts;
RestorePoint::wanted() if !$checking;
my $database = connected();
my %records = eval { %{ $checking ? read_records() : transaction(sub { keep_record(); read_records() }) } };
stop(4, 'monopco.migrations, the record: ' . problem()) if $@;
refuse_changed(@scripts);
refuse_ahead() if $checking;
migrate($_) for $checking ? () : @scripts;
report();

sub refuse_changed (@given) {
    my @lines;
    for my $script (@given) {
        my $record = $records{ $script->{name} } // next;
        my ($old, $new) = map { substr $_->{checksum}, 0, 12 } $record, $script;
        next if $record->{checksum} eq $script->{checksum};
        push @lines, "$script->{name} was changed after it was applied on $record->{applied} (checksum $old, now $new)";
    }
    return if !@lines;
    stop(3, @lines, 'Nothing was applied. Put the old text back, and write what is to change as a new script.');
}

sub refuse_ahead () {
    my %accepted = map { $_ => 1 } split /\r?\n/, $ENV{ACCEPT} // '';
    my @ahead = grep { !$_->{backward_compatible} && !$accepted{ $_->{name} } } unknown();
    return if !@ahead;
    stop(5, map { "the schema is ahead of this release: $_->{name} was applied on $_->{applied} "
                . 'and this release does not know it' } @ahead);
}

# Records of scripts that were not given, in the order in which they were applied.
sub unknown () {
    return grep { !$known{ $_->{name} } } sort { $a->{place} <=> $b->{place} } values %records;
}

sub migrate ($script) {
    return say "kept $script->{name}" if $records{ $script->{name} };
    my $duration = eval { transaction(sub { apply($script) }) };
    stop(4, "$script->{name}, at its end: " . problem(), 'Nothing of this script was kept.') if $@;
    $database->do('DISCARD ALL');
    refuse_changed($script);
    say defined $duration ? "applied $script->{name} $duration ms" : "kept $script->{name}";
    return;
}

# Runs inside the transaction. Returns milliseconds, or nothing if somebody else was quicker.
sub apply ($script) {
    %records = %{ read_records() };
    return if $records{ $script->{name} };
    RestorePoint::take($database, $script->{name}, scalar %records) if RestorePoint::wanted();
    my $start = time;
    $database->do(q{SET LOCAL lock_timeout = '10s'});
    local $SIG{__WARN__} = sub ($message) { print STDERR "$script->{name}: $message" };
    for my $statement (@{ $script->{statements} }) {
        eval { $database->do($statement->{text}, { pg_direct => 1 }) } or failed($script, $statement);
    }
    stop(4, "$script->{name} ended our transaction, so what it did up to there is kept without a record")
        if $database->ping != 3;
    $database->do('RESET SESSION AUTHORIZATION; RESET ROLE');
    my $duration = int(1000 * (time - $start) + 0.5);
    $database->do('INSERT INTO monopco.migrations (name, checksum, applied_at, duration_ms, backward_compatible) '
            . 'VALUES (?, ?, clock_timestamp(), ?, ?)',
        undef, @$script{qw(name checksum)}, $duration, $script->{backward_compatible} ? 't' : 'f');
    return $duration;
}

sub failed ($script, $statement) {
    my $line = $statement->{line};
    if (my $position = $database->pg_error_field('statement_position')) {
        $line += substr(Encode::decode('UTF-8', $statement->{text}), 0, $position - 1) =~ tr/\n//;
    }
    my @shown = excerpt($statement, $line);
    stop(4, "$script->{name}, line $line: " . problem(), @shown, 'Nothing of this script was kept.');
}

# The last line is for programs: how many scripts the schema has seen, and which one last.
sub report () {
    %records = %{ read_records() } if !$checking;
    say "gone $_->{name}" for unknown();
    say "pending $_->{name}" for grep { !$records{ $_->{name} } } @scripts;
    my ($last) = grep { $_->{place} == keys %records } values %records;
    say JSON::PP->new->canonical->encode({ level => scalar keys %records, last => $last && $last->{name} });
    return;
}
