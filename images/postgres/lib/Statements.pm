# Splits a SQL script into its statements, by PostgreSQL's own lexical rules (with standard_conforming_strings on).
package Statements;
use v5.36;
use Exporter 'import';
our @EXPORT_OK = qw(remarks statements);

# Each statement is {line, text, bare}: the line it begins on, its bytes without the semicolon, and the same with
# comments blanked and the inside of literals and quoted names filled, so that only what is SQL can be found in it.
sub statements ($script) {
    my @found;
    my $current = _begin(0, 1);
    pos($script) = 0;
    while (pos($script) < length $script) {
        my $from = pos $script;
        if (my $filler = _opaque(\$script)) {
            $current->{bare} .= substr($script, $from, pos($script) - $from) =~ s/[^\n]/$filler/gr;
            next;
        }
        $script =~ /\G(?:[\w\x80-\xff][\w\$\x80-\xff]*|\$[0-9]+|\s+|.)/agcs;
        my $token = substr($script, $from, pos($script) - $from);
        if (_ends($current, $token)) {
            push @found, _finish($current, \$script, $from);
            $current = _begin(pos $script, $current->{line} + ($current->{bare} =~ tr/\n//));
            next;
        }
        $current->{bare} .= $token;
    }
    push @found, _finish($current, \$script, length $script);
    return grep { defined } @found;
}

# The line comments before the first statement.
sub remarks ($script) {
    my @found;
    pos($script) = 0;
    while ($script =~ /\G\s*/gc && substr($script, pos $script, 2) =~ m{\A(?:--|/\*)}) {
        my $from = pos $script;
        _opaque(\$script);
        push @found, substr($script, $from, pos($script) - $from);
    }
    return grep { /\A--/ } @found;
}

sub _begin ($offset, $line) {
    return { offset => $offset, line => $line, bare => '', words => [], parentheses => 0, blocks => 0 };
}

sub _finish ($current, $script, $end) {
    return undef if $current->{bare} !~ /\S/;
    my $blank = $-[0];
    my $start = $current->{offset} + $blank;
    return {
        line => $current->{line} + (substr($current->{bare}, 0, $blank) =~ tr/\n//),
        text => substr($$script, $start, $end - $start) =~ s/\s+\z//r,
        bare => substr($current->{bare}, $blank),
    };
}

# Whether the token is the semicolon that ends the statement: not one in CREATE RULE's parentheses, nor one in the
# body of a function that is written as BEGIN ATOMIC … END (where CASE has an END, too).
sub _ends ($current, $token) {
    return !$current->{parentheses} && !$current->{blocks} if $token eq ';';
    $current->{parentheses}++ if $token eq '(';
    $current->{parentheses}-- if $token eq ')' && $current->{parentheses};
    return 0 if $token !~ /\A[A-Za-z]/;
    my $words = $current->{words};
    push @$words, lc $token if @$words < 4;
    return 0 if "@$words" !~ /\Acreate (?:or replace )?(?:function|procedure)\b/;
    my $word = lc $token;
    $current->{blocks}++ if $word eq 'begin' || ($word eq 'case' && $current->{blocks});
    $current->{blocks}-- if $word eq 'end' && $current->{blocks};
    return 0;
}

# Steps over a comment, literal or quoted name, to the end of the script if it is not closed. Returns what fills its
# place, or nothing if there is none here. A doubled quote counts as two literals in a row, which comes to the same.
# It looks at characters before it matches: Perl searches a whole script for a text that a pattern cannot do without.
sub _opaque ($script) {
    my $next = substr $$script, pos $$script, 2;
    return _comment($script) if $next eq '/*';
    if ($next eq '--') {
        $$script =~ /\G[^\n\r]*/gc;
        return ' ';
    }
    if ($next =~ /\A[eE]'/) {
        pos($$script) += 2;
        return _escape_string($script);
    }
    if ($next =~ /\A['"]/) {
        pos($$script) += 1;
        return _up_to($script, substr $next, 0, 1);
    }
    return if $next !~ /\A\$/ || $$script !~ /\G\$(?:[A-Za-z_\x80-\xff][A-Za-z0-9_\x80-\xff]*)?\$/gc;
    return _up_to($script, substr $$script, $-[0], $+[0] - $-[0]);
}

sub _up_to ($script, $end) {
    my $found = index $$script, $end, pos $$script;
    pos($$script) = $found < 0 ? length $$script : $found + length $end;
    return '"';
}

sub _comment ($script) {
    my $depth = 0;
    while (pos $$script < length $$script) {
        $depth += substr($$script, pos $$script, 2) eq '/*' ? 1 : -1;
        pos($$script) += 2;
        last if !$depth;
        1 while $$script =~ m{\G(?:[^*/]+|\*(?!/)|/(?!\*))}gc;
    }
    return ' ';
}

# After a line break the same literal may go on in further quotes.
sub _escape_string ($script) {
    1 while $$script =~ /\G(?:[^'\\]+|\\.|''|'[ \t\f\x0b]*[\n\r](?:\s|--[^\n\r]*[\n\r])*')/agcs;
    $$script =~ /\G(?:'|\\)/gc;
    return '"';
}

1;
