import { Component, type ReactNode } from "react";

/** Words as they came. */
export function PlainText({ text }: { text: string }) {
  return (
    <p className="plain" dir="auto">
      {text}
    </p>
  );
}

interface Properties {
  fallback: ReactNode;
  children: ReactNode;
  /** Drawing is tried anew when this changes. */
  of: string;
}

/** Shows the fallback where drawing fails, so that a strange answer never takes the page with it. */
export class Fallback extends Component<Properties, { failed: string | null }> {
  override state = { failed: null };

  static getDerivedStateFromError(): { failed: string } {
    return { failed: "" };
  }

  override componentDidCatch(): void {
    this.setState({ failed: this.props.of });
  }

  override componentDidUpdate(before: Properties): void {
    if (this.state.failed !== null && before.of !== this.props.of) this.setState({ failed: null });
  }

  override render(): ReactNode {
    return this.state.failed === null ? this.props.children : this.props.fallback;
  }
}
