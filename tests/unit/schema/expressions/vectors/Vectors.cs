// Fills in what .NET makes of each case of a vector file: Vectors.dll FILE. See README.md beside this file.
using System;
using System.Collections.Generic;
using System.Globalization;
using System.IO;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.RegularExpressions;
using Microsoft.VisualBasic;

static class Vectors
{
    static readonly CultureInfo Invariant = CultureInfo.InvariantCulture;
    const DateTimeStyles Styles = DateTimeStyles.RoundtripKind | DateTimeStyles.AllowLeadingWhite | DateTimeStyles.AllowTrailingWhite;

    static int Main(string[] arguments)
    {
        CultureInfo.CurrentCulture = Invariant;
        var cases = JsonDocument.Parse(File.ReadAllText(arguments[0])).RootElement;
        using (var file = File.Create(arguments[0]))
        {
            var options = new JsonWriterOptions { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };
            var newline = new byte[] { 10 };
            bool first = true;
            file.Write(new byte[] { (byte)'[' }, 0, 1);
            foreach (var one in cases.EnumerateArray())
            {
                if (!first) file.Write(new byte[] { (byte)',' }, 0, 1);
                first = false;
                file.Write(newline, 0, 1);
                using (var writer = new Utf8JsonWriter(file, options)) Answer(one, writer);
            }
            file.Write(newline, 0, 1);
            file.Write(new byte[] { (byte)']', 10 }, 0, 2);
        }
        return 0;
    }

    static void Answer(JsonElement one, Utf8JsonWriter writer)
    {
        string operation = one[0].GetString();
        var words = new List<string>();
        foreach (var argument in one[1].EnumerateArray()) words.Add(argument.GetString());
        string result;
        try { result = Compute(operation, words); }
        catch (Exception error) when (!(error is InvalidProgramException)) { result = null; }
        writer.WriteStartArray();
        writer.WriteStringValue(operation);
        writer.WriteStartArray();
        foreach (var word in words) writer.WriteStringValue(word);
        writer.WriteEndArray();
        if (result == null) writer.WriteNullValue(); else writer.WriteStringValue(result);
        writer.WriteEndArray();
    }

    static string Compute(string operation, List<string> words)
    {
        switch (operation)
        {
            case "today": return Ticks(DateTime.Today);
            case "parse": return Shown(DateTime.Parse(words[0], Invariant, Styles));
            case "parseExact": return Shown(DateTime.ParseExact(words[0], words[1], Invariant, Styles));
            case "parseStyled": return Shown(DateTime.ParseExact(words[0], words[1], Invariant, (DateTimeStyles)Enum.Parse(typeof(DateTimeStyles), words[2])));
            case "format": return new DateTime(long.Parse(words[0]), (DateTimeKind)int.Parse(words[1])).ToString(words[2], Invariant);
            case "dateAdd": return Ticks(DateAndTime.DateAdd(words[0], double.Parse(words[1], Invariant), new DateTime(long.Parse(words[2]))));
            case "dateDiff": return DateAndTime.DateDiff(words[0], new DateTime(long.Parse(words[1])), new DateTime(long.Parse(words[2]))).ToString(Invariant);
            case "fromFileTime": return Ticks(DateTime.FromFileTimeUtc(long.Parse(words[0])));
            case "lower": return words[0].ToLower(new CultureInfo(words[1]));
            case "upper": return words[0].ToUpper(new CultureInfo(words[1]));
            case "title": return Invariant.TextInfo.ToTitleCase(words[0].ToLowerInvariant());
            case "mid": return Strings.Mid(words[0], int.Parse(words[1]), int.Parse(words[2]));
            case "inStr": return Strings.InStr(int.Parse(words[2]), words[0], words[1], CompareMethod.Binary).ToString(Invariant);
            case "match": return new Regex(words[0], RegexOptions.None, TimeSpan.FromSeconds(2)).IsMatch(words[1]) ? "1" : "0";
            case "replace": return new Regex(words[0], RegexOptions.None, TimeSpan.FromSeconds(2)).Replace(words[1], words[2]);
            case "group":
                var group = new Regex(words[0], RegexOptions.None, TimeSpan.FromSeconds(2)).Match(words[1]).Groups[words[2]];
                return group.Success ? "=" + group.Value : "no group";
        }
        throw new InvalidProgramException("no such operation: " + operation);
    }

    static string Ticks(DateTime date) { return date.Ticks.ToString(Invariant); }

    static string Shown(DateTime date) { return Ticks(date) + " " + date.Kind; }
}
