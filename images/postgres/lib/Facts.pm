# How the backups are: facts for programs, and what is wrong in words.
package Facts;
use v5.36;
use List::Util qw(max sum0);
use Live ();
use Process qw(attempt);
use Records qw(recall recall_all);
use Repository qw(backups dumps epoch places place_name stack when);
use Scratch ();

use constant REPOSITORY => '/var/lib/monopco-backups';
use constant { HOUR => 3600, DAY => 86_400 };
# A segment goes at least every 40 s while something is written, and a place that hangs is asked again each minute.
use constant LAG_SECONDS => 300;
use constant PROOF_DAYS => 8;
use constant COMPARED => 5;
use constant FUTURE_SECONDS => 300;

sub facts () {
    my $now = time;
    my ($found, $wrong, $of) = backups();
    my %facts = (at => when($now), stack => stack(), problems => []);
    my $problems = $facts{problems};
    push @$problems, map { $wrong->{$_} =~ s/\s+\z//r } sort keys %$wrong;
    my $own = dumps ? undef : eval { Live::identifier() };
    push @$problems, map { strange($_) } sort grep { defined $own && $of->{$_} ne $own } keys %$of;
    my $limit = _period('take') + 2 * HOUR;
    for my $name (map { place_name($_) } places()) {
        my @here = grep { $_->{place} eq $name } @$found;
        my ($newest, $oldest) = @here[ 0, -1 ];
        my %place = (readable => $wrong->{$name} ? JSON::PP::false : JSON::PP::true, count => scalar @here);
        $place{oldest_at} = $oldest && $oldest->{at};
        if ($newest) {
            $place{newest} = { %$newest{qw(id at kind database_bytes stored_bytes)}, age_seconds => $now - $newest->{stopped} };
            push @$problems, "the $name place: the newest backup is " . _ago($now - $newest->{stopped}) . ' old' if $now - $newest->{stopped} > $limit;
            push @$problems, "the $name place: $newest->{id} is from the future, by " . _ago($newest->{stopped} - $now) . ': the clock was wrong then, or is now'
                if $newest->{stopped} > $now + FUTURE_SECONDS;
            push @$problems, "the $name place: $newest->{id} is faulty: files changed or were damaged while it was made" if $newest->{faulty};
            my $largest = max(map { $_->{database_bytes} } @here[ 1 .. ($#here < COMPARED ? $#here : COMPARED) ]) // 0;
            $place{shrunken} = $newest->{database_bytes} < $largest / 2 ? JSON::PP::true : JSON::PP::false;
            push @$problems, sprintf 'the %s place: the newest backup holds %.1f MB, and one before it %.1f MB', $name, $newest->{database_bytes} / 1e6, $largest / 1e6
                if $place{shrunken};
        }
        elsif (!$wrong->{$name}) {
            push @$problems, "the $name place holds no backup yet";
        }
        my ($proof) = sort { $b->{at} cmp $a->{at} } grep { $_->{place} eq $name } recall_all('proof');
        my ($good) = sort { $b->{at} cmp $a->{at} } grep { $_->{place} eq $name && $_->{proved} } recall_all('proof');
        $place{proof} = $proof;
        $place{proved_at} = $good && $good->{at};
        $place{proof_age_seconds} = $good ? $now - epoch($good->{at}) : undef;
        push @$problems, map { "the $name place: the last proof failed: $_" } @{ $proof->{problems} } if $proof && !$proof->{proved};
        my $unproved = $good ? $place{proof_age_seconds} : $oldest ? $now - $oldest->{stopped} : 0;
        push @$problems, "the $name place: no backup was proved for " . _ago($unproved) if $unproved > max(PROOF_DAYS * DAY, _period('prove') + DAY);
        $facts{places}{$name} = \%place;
    }
    my $last = recall('job', 'take');
    push @$problems, map { "the last backup failed: $_" } @{ $last->{errors} } if $last && @{ $last->{errors} };
    # Who takes dumps has no log of changes.
    $facts{archive} = dumps ? undef : _archive($problems, $now);
    $facts{disk} = { repository_free_bytes => 0 + Scratch::free_bytes(REPOSITORY), data_free_bytes => 0 + Scratch::free_bytes(dumps ? '/scratch' : '/var/lib/postgresql') };
    my $need = max(0, map { $_->{newest} ? $_->{newest}{stored_bytes} : 0 } values %{ $facts{places} });
    push @$problems, sprintf 'the disk of the local place has %.1f GB free', $facts{disk}{repository_free_bytes} / 1e9
        if $facts{disk}{repository_free_bytes} < 2 * $need + 2**29;
    $facts{ok} = @$problems ? JSON::PP::false : JSON::PP::true;
    return \%facts;
}

sub strange ($place) {
    return "the $place place holds the backups of another database than this one, and takes none of this one's; "
        . './monopco restore --' . ($place eq 'remote' ? 'from-scratch' : 'live') . ' brings that database here; or give this stack another place';
}

sub _archive ($problems, $now) {
    my ($count, $lag) = Live::waiting();
    my $archiver = eval { Live::archiver() };
    push @$problems, $@ =~ s/\s+\z//r if !$archiver;
    push @$problems, "the log of changes waits for the repositories since " . _ago($lag) . " ($count segments)" if $lag > LAG_SECONDS;
    my ($archived, $failed) = map { $_ // 0 } @{ $archiver // {} }{qw(archived failed)};
    return { waiting => $count, lag_seconds => $lag, failed_count => $archiver && 0 + $archiver->{failed_count},
        last_archived_at => $archived ? when($archived) : undef, last_failed_at => $failed ? when($failed) : undef,
        failing => $failed > $archived ? JSON::PP::true : JSON::PP::false };
}

# The longest time between two runs of a job, in seconds.
sub _period ($job) {
    my $times = Repository::settings()->{times}{$job} // return DAY;
    my ($status, @lines) = attempt([ 'snooze', '-n', split(/ /, $times), 'true' ]);
    my @at = map { /\A(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)/ ? epoch("$1Z") : () } @lines;
    return max(DAY, map { $at[$_] - $at[ $_ - 1 ] } 1 .. $#at);
}

sub _ago ($seconds) {
    my @units = ([ day => DAY ], [ hour => HOUR ], [ minute => 60 ], [ second => 1 ]);
    my ($unit) = grep { $seconds >= $_->[1] * 2 || $_->[1] == 1 } @units;
    return int($seconds / $unit->[1]) . " $unit->[0]s";
}

1;
