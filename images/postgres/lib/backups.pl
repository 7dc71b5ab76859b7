# What is done with backups, as `backups VERB`. --quiet leaves out how far it is.
#   establish [--adopt]   makes the repositories ready; --adopt when the database is a new one
#   take [full|diff|missing]  a backup in each place, or in those that have none
#   list                  all backups, newest first
#   prove [PLACE]         restores what is newest in each place, and looks at it
#   restore OPTION=VALUE  a database beside the live one: into, to, backup, from, scratch
#   copy OPTION=VALUE     a dump of it on standard output: to, backup, from; rules=1 reads SQL from standard input and
#                         applies it first; all else is said on standard error
#   swap NAME             puts that database in the place of the live one
#   keep NAME, fetch NAME  a file from standard input to the second place, and back
#   state                 how the backups are; exit code 1 when something is wrong
# Exit codes: 1 it failed, 2 usage, 3 another one is under way, 4 refused.
use v5.36;
use Carry ();
use Copies ();
use Dumps ();
use Facts ();
use Figures ();
use Live ();
use Proof ();
use Records qw(remember recall_all);
use Repository qw(STANZA backups dumps explained is_locked pgbackrest place_name places stack);
use Say qw(answer failed json note progress quiet refuse);
use Scratch ();
use Tables qw(counts LIVE_SOCKET);

use constant WEEK => 6.5 * 86_400;
use constant LOCK_SECONDS => 60;
use constant STATE => '/var/lib/monopco-backups/state.json';

STDOUT->autoflush(1);
my %VERBS = (establish => \&establish, take => \&take, list => \&list, prove => \&prove, restore => \&restore, copy => \&copy, swap => \&swap, keep => \&Copies::keep, fetch => \&Copies::fetch, state => \&state_);
my $verb = shift @ARGV // '';
my @arguments = grep { $_ ne '--quiet' } @ARGV;
quiet() if @arguments < @ARGV;
my $wanted = $VERBS{$verb} // refuse(2, 'known are ' . join ', ', sort keys %VERBS);
eval { $wanted->(@arguments); 1 } or refuse(1, $@ =~ s/\s+\z//r);

sub establish ($adopt = '') {
    if (dumps) {
        Dumps::establish();
        answer({ places => [ map { place_name($_) } places() ], adopted => JSON::PP::false });
        return;
    }
    my $strange = _strangers();
    my $adopting = $adopt eq '--adopt' && @$strange;
    my ($status, @lines);
    for (1 .. LOCK_SECONDS) {
        ($status, @lines) = pgbackrest($adopting ? 'stanza-upgrade' : 'stanza-create', []);
        last if !is_locked($status);
        sleep 1;
    }
    refuse(3, 'a backup is under way; do this again when it has ended') if is_locked($status);
    # Somebody has to decide, and meanwhile nothing is in the way of what serves.
    say STDERR "backups: $_" for map { Facts::strange($_) } $adopting ? () : @$strange;
    if ($status && !(@$strange && !$adopting)) {
        my ($number) = places() == 1 ? places() : "@lines" =~ /repo(\d)/;
        die explained($number, @lines) . "  backups cannot be made until this is mended\n";
    }
    answer({ places => [ map { place_name($_) } places() ], adopted => $adopting ? JSON::PP::true : JSON::PP::false });
    return;
}

# Places that hold backups of another database than the live one.
sub _strangers () {
    my (undef, undef, $of) = backups();
    my $own = Live::identifier();
    return [ sort grep { $of->{$_} ne $own } keys %$of ];
}

# A full one each week, and otherwise what differs from the last full one.
sub take ($kind = '') {
    refuse(2, 'kinds are full, diff and missing') if $kind !~ /\A(?:full|diff|missing|)\z/;
    my ($before) = backups();
    my (@made, @errors);
    if (dumps) {
        my @places = grep { my $place = place_name($_); $kind ne 'missing' || !grep { $_->{place} eq $place } @$before } places();
        my ($made, $wrong) = @places ? Dumps::take(@places) : ([], []);
        push @made, @$made;
        push @errors, @$wrong;
    }
    for my $number (dumps ? () : places()) {
        my $place = place_name($number);
        my ($full) = grep { $_->{place} eq $place && $_->{kind} eq 'full' } @$before;
        next if $kind eq 'missing' && grep { $_->{place} eq $place } @$before;
        my $type = $kind =~ /full|diff/ ? $kind : ($full && time - $full->{stopped} < WEEK ? 'diff' : 'full');
        my ($status, @lines) = _back_up($number, $type);
        # After a clock was ahead, what differs from an older one would lie before it; a new beginning does not.
        ($status, @lines) = _back_up($number, 'full') if $status && $type eq 'diff' && grep { /clock skew/ } @lines;
        refuse(3, 'another backup is under way; wait until it has ended') if is_locked($status);
        if ($status) {
            push @errors, explained($number, @lines) =~ s/\s+\z//r;
            next;
        }
        my ($label) = map { /new backup label = (\S+)/ ? $1 : () } @lines;
        # What a proof compares with; a backup without it is one all the same.
        eval { remember('rows', $label, { rows => counts(LIVE_SOCKET) }); 1 } or failed("rows were not counted: $@");
        push @made, { id => $label, place => $place };
    }
    failed($_) for @errors;
    remember('job', 'take', { at => Repository::when(time), errors => \@errors });
    _write_state();
    answer({ made => \@made });
    return;
}

sub _back_up ($number, $type) {
    my $what = "backup ($type) to the " . place_name($number) . ' place';
    progress($what, 0);
    return pgbackrest('backup', [ "--repo=$number", "--type=$type", '--annotation=stack=' . stack() ],
        sub ($line) { progress($what, $1) if $line =~ /backup file .*, (\d+)(?:\.\d+)?%\)/ });
}

sub list () {
    my ($found, $wrong) = backups();
    my %proved;
    for my $proof (sort { $a->{at} cmp $b->{at} } grep { $_->{proved} } recall_all('proof')) {
        $proved{"$proof->{place} $proof->{backup}"} = $proof->{at};
    }
    $_->{proved_at} = $proved{"$_->{place} $_->{id}"} for @$found;
    failed($wrong->{$_} =~ s/\s+\z//r) for sort keys %$wrong;
    answer($found);
    return;
}

sub prove ($place = '') {
    my @places = $place ? Repository::place_number($place) : places();
    Scratch::alone();
    my @records = map { Proof::prove($_) } @places;
    for my $record (@records) {
        failed("the $record->{place} place: $_") for @{ $record->{problems} };
    }
    _write_state();
    answer(\@records);
    return;
}

sub restore (@options) {
    my %wanted = _options(@options);
    refuse(4, 'a database elsewhere gets no second one beside it; nothing was touched') if dumps;
    Scratch::alone();
    answer(Carry::carry(%wanted));
    return;
}

sub copy (@options) {
    my %wanted = _options(@options);
    my $rules = delete $wanted{rules} ? do { local $/; <STDIN> // '' } : undef;
    open my $output, '>&', \*STDOUT or die "no output: $!\n";
    open STDOUT, '>&', \*STDERR or die "no output: $!\n";
    Scratch::alone();
    answer(Carry::copy($rules, $output, %wanted));
    return;
}

sub _options (@options) {
    my %wanted = map { /\A(into|to|to_text|backup|from|scratch|of|rules)=(.+)\z/ ? ($1 => $2) : refuse(2, "restore does not know $_") } @options;
    refuse(2, 'to and backup contradict each other') if $wanted{to} && $wanted{backup};
    refuse(4, 'dumps know only the moments at which they were taken: choose one with --backup; ./monopco backups lists them') if dumps && $wanted{to};
    return %wanted;
}

sub swap ($name = '') {
    refuse(4, "there is no database $name") if !Live::exists_database($name);
    answer({ kept => Live::swap($name) });
    return;
}

sub state_ () {
    my $facts = _write_state();
    answer($facts);
    exit($facts->{ok} ? 0 : 1);
}

# Facts where others read them, too; a full disk is a fact as well.
sub _write_state () {
    my $facts = Facts::facts();
    eval { Records::write_whole(STATE, $facts); 1 } or failed($@ =~ s/\s+\z//r);
    eval { Figures::leave($facts); 1 } or failed($@ =~ s/\s+\z//r);
    return $facts;
}
